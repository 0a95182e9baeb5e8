/** Numbers in, and copies of them. Every element is a float32 on the device; int32 is a promise that it is whole, good up to 2²⁴. */

import { BackendError } from "../../../core/errors.ts";
import type { Kernels } from "../../kernels.ts";
import type { Device } from "../device.ts";
import { program } from "../program.ts";

const fill = program({ name: "full", tensors: [], floats: ["value"], body: "return value;" });

export const copy = program({ name: "copy", tensors: ["x"], body: "return x[this.thread.x];" });

const truncate = program({
  name: "cast to int32",
  tensors: ["x"],
  body: `
    const v = x[this.thread.x];
    if (v < 0.0) { return -Math.floor(-v); }
    return Math.floor(v);`,
});

export const transferKernels = (device: Device): Pick<Kernels, "upload" | "full" | "write" | "cast"> => ({
  upload: (dtype, data) => device.upload(dtype, data),

  full: (dtype, length, value) => device.run(fill, length, { value }, dtype),

  write(target, data) {
    if (data.length !== target.length)
      throw new BackendError(`write: data must have as many elements as the storage, got ${data.length} for ${target.length}`);
    device.write(target, data);
  },

  cast: (x, dtype) =>
    device.run(dtype === "int32" && x.dtype !== "int32" ? truncate : copy, x.length, { x }, dtype, device.own(x).knowledge),
});
