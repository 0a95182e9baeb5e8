/**
 * The largest element of each window and its index (backend/reference/pooling.ts). A kernel has one result, so the same search is launched
 * twice.
 */

import { BackendError } from "../../../core/errors.ts";
import type { Kernels } from "../../kernels.ts";
import type { Device } from "../device.ts";
import { coordinates, isNotANumber, program } from "../program.ts";
import { forEachTap, windowIntegers } from "./windows.ts";

/** The integer arguments of a pooling over x:[planes, height, width]. */
export const poolingIntegers = ["planes", ...windowIntegers] as const;

/** Searches a window in row-major order. In a window that lies in the padding alone, `best` stays `nothing` and `index` stays −1. */
const search = (result: "best" | "index"): string => `
    ${coordinates([
      ["plane", "planes"],
      ["y", "outHeight"],
      ["x", "outWidth"],
    ])}
    let best = nothing;
    let index = -1;
    ${forEachTap(`
            const v = X[mad(mad(plane, height, sy), width, sx)];
            if (index < 0 || v > best || (${isNotANumber("v")} && !${isNotANumber("best")})) {
              best = v;
              index = mad(mad(plane, height, sy), width, sx);
            }`)}
    return ${result};`;

const values = program({ name: "maxPool2d", tensors: ["X"], integers: poolingIntegers, floats: ["nothing"], body: search("best") });
const indices = program({
  name: "maxPool2d: indices",
  tensors: ["X"],
  integers: poolingIntegers,
  floats: ["nothing"],
  body: search("index"),
});

/** An index is a float32 on the device, which is exact up to 2²⁴. */
const maximumElements = 2 ** 24;

export const poolingKernels = (device: Device): Pick<Kernels, "maxPool2d"> => ({
  maxPool2d(X, geometry) {
    if (X.length > maximumElements)
      throw new BackendError(
        `${device.mode.name}: maxPool2d takes at most ${maximumElements} elements, got ${X.length}; ` +
          "use a smaller batch, or the wasm backend",
      );
    const planes = geometry.batch * geometry.inChannels;
    const length = planes * geometry.outHeight * geometry.outWidth;
    const inputs = { X, ...geometry, planes, nothing: -Infinity };
    return {
      values: device.run(values, length, inputs, X.dtype),
      indices: device.run(indices, length, inputs, "int32", { kind: "max-pool", geometry }),
    };
  },
});
