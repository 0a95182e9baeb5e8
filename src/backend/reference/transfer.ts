/**
 * Uploads and conversions between dtypes. This file teaches that a typed array converts each number that is written to it. A Float32Array
 * rounds to the nearest float32, with ties to even. An Int32Array drops the fraction.
 */

import { BackendError } from "../../core/errors.ts";
import { type HostMemory, viewOf } from "../host-storage.ts";
import type { Kernels } from "../kernels.ts";

export const transferKernels = (memory: HostMemory): Pick<Kernels, "upload" | "full" | "write" | "cast"> => ({
  upload(dtype, data) {
    const out = memory.allocate(dtype, data.length);
    out.view.set(data);
    return out;
  },

  full(dtype, length, value) {
    const out = memory.allocate(dtype, length);
    out.view.fill(value);
    return out;
  },

  write(target, data) {
    if (data.length !== target.length)
      throw new BackendError(`write: data must have as many elements as the storage, got ${data.length} for ${target.length}`);
    viewOf(target).set(data);
  },

  cast(x, dtype) {
    const out = memory.allocate(dtype, x.length);
    out.view.set(viewOf(x));
    return out;
  },
});
