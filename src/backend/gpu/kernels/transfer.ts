/** Uploads, constants, overwrites and casts. Every element is a float32 on the device, int32 ones too, which are exact up to 2²⁴ there. */

import { BackendError } from "../../../core/errors.ts";
import type { Kernels } from "../../kernels.ts";
import type { Device } from "../device.ts";
import { copyProgram, program } from "../program.ts";

const truncateProgram = program({
  name: "cast to int32",
  tensors: ["x"],
  body: `
    const v = x[this.thread.x];
    if (v < 0.0) { return -Math.floor(-v); }
    return Math.floor(v);`,
});

export const transferKernels = (device: Device): Pick<Kernels, "upload" | "constant" | "full" | "write" | "cast"> => ({
  upload: (dtype, data) => device.upload(dtype, data),

  constant: (dtype, data) => device.constant(dtype, data),

  full: (dtype, length, value) => device.full(dtype, length, value),

  write(target, data) {
    if (data.length !== target.length)
      throw new BackendError(`write: data must have as many elements as the storage, got ${data.length} for ${target.length}`);
    device.write(target, data);
  },

  cast(x, dtype) {
    const what = dtype === "int32" && x.dtype !== "int32" ? truncateProgram : copyProgram;
    return device.run(what, x.length, { x }, dtype, device.own(x).indexSource);
  },
});
