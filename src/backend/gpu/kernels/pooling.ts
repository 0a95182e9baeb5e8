/** The largest value of each window and where it stands (backend/reference/pooling.ts): two results, so two launches of one search. */

import { BackendError } from "../../../core/errors.ts";
import type { Kernels } from "../../kernels.ts";
import type { Device } from "../device.ts";
import { coordinates, isNotANumber, program } from "../program.ts";

export const windowSizes = [
  ...(["planes", "height", "width", "outHeight", "outWidth", "kernelHeight", "kernelWidth"] as const),
  ...(["strideY", "strideX", "paddingY", "paddingX", "dilationY", "dilationX"] as const),
] as const;

/** Goes over a window in reading order. A window within the padding alone finds nothing. */
const search = (result: string): string => `
    ${coordinates([
      ["plane", "planes"],
      ["y", "outHeight"],
      ["x", "outWidth"],
    ])}
    let best = nothing;
    let where = -1;
    for (let ky = 0; ky < kernelHeight; ky++) {
      const sy = y * strideY + ky * dilationY - paddingY;
      if (sy >= 0 && sy < height) {
        for (let kx = 0; kx < kernelWidth; kx++) {
          const sx = x * strideX + kx * dilationX - paddingX;
          if (sx >= 0 && sx < width) {
            const v = X[mad(mad(plane, height, sy), width, sx)];
            if (where < 0 || v > best || (${isNotANumber("v")} && !${isNotANumber("best")})) {
              best = v;
              where = mad(mad(plane, height, sy), width, sx);
            }
          }
        }
      }
    }
    return ${result};`;

const values = program({ name: "max pooling", tensors: ["X"], integers: windowSizes, floats: ["nothing"], body: search("best") });
const places = program({ name: "max pooling: places", tensors: ["X"], integers: windowSizes, floats: ["nothing"], body: search("where") });

/** Whole numbers are exact in float32 up to here: the places of a larger image could not be told apart. */
const mostPlaces = 2 ** 24;

export const poolingKernels = (device: Device): Pick<Kernels, "maxPool2d"> => ({
  maxPool2d(X, geometry) {
    if (X.length > mostPlaces)
      throw new BackendError(
        `${device.mode.name}: maxPool2d takes at most ${mostPlaces} elements, got ${X.length}; use a smaller batch, or the wasm backend`,
      );
    const planes = geometry.batch * geometry.inChannels;
    const length = planes * geometry.outHeight * geometry.outWidth;
    const numbers = { ...geometry, planes, nothing: -Infinity };
    return {
      values: device.run(values, length, { X, ...numbers }, X.dtype),
      indices: device.run(places, length, { X, ...numbers }, "int32", { kind: "windows", geometry }),
    };
  },
});
