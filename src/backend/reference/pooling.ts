/**
 * y[n,c,y,x] = max over the window of x. Teaches why a maximum remembers where it stood: its gradient goes to that one place, so
 * backward is a scatterAdd at the indices. Ties go to the first in reading order; NaN wins, as in `reduce`.
 */

import { type HostMemory, viewOf } from "../host-storage.ts";
import type { Kernels } from "../kernels.ts";
import { beats } from "./reductions.ts";

/** The index of a window that lies wholly in the padding: its value is −∞ and no element of x receives its gradient. */
const nowhere = -1;

export const poolingKernels = (memory: HostMemory): Pick<Kernels, "maxPool2d"> => ({
  maxPool2d(x, geometry) {
    const { batch, inChannels, height, width, kernelHeight, kernelWidth, outHeight, outWidth } = geometry;
    const { strideY, strideX, paddingY, paddingX, dilationY, dilationX } = geometry;
    const planes = batch * inChannels;
    const values = memory.allocate(x.dtype, planes * outHeight * outWidth);
    const indices = memory.allocate("int32", values.length);
    const [source, best, where] = [viewOf(x), values.view, indices.view];
    let out = 0;
    for (let plane = 0; plane < planes; plane++)
      for (let y = 0; y < outHeight; y++)
        for (let x = 0; x < outWidth; x++, out++) {
          best[out] = -Infinity;
          where[out] = nowhere;
          for (let ky = 0; ky < kernelHeight; ky++)
            for (let kx = 0; kx < kernelWidth; kx++) {
              const sourceY = y * strideY + ky * dilationY - paddingY;
              const sourceX = x * strideX + kx * dilationX - paddingX;
              if (sourceY < 0 || sourceY >= height || sourceX < 0 || sourceX >= width) continue;
              const index = (plane * height + sourceY) * width + sourceX;
              if (where[out] === nowhere || beats(source[index]!, best[out]!)) {
                best[out] = source[index]!;
                where[out] = index;
              }
            }
        }
    return { values, indices };
  },
});
