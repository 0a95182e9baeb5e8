/**
 * The maximum over each window, and its position in x. This file teaches why max pooling remembers the position: the gradient goes to this
 * one element, so the VJP is a scatterAdd at the positions. Of equal elements the first in row-major order counts. A NaN counts as the
 * maximum, as in `reduce`.
 */

import { type HostMemory, viewOf } from "../host-storage.ts";
import type { Kernels } from "../kernels.ts";
import { isNewMaximum } from "./reductions.ts";

/** The position of a maximum that no element of x attains, for a window without elements of x. The ops refuse such windows. */
const noPosition = -1;

export const poolingKernels = (memory: HostMemory): Pick<Kernels, "maxPool2d"> => ({
  maxPool2d(x, geometry) {
    const { batch, inChannels, height, width, kernelHeight, kernelWidth, outHeight, outWidth } = geometry;
    const { strideY, strideX, paddingY, paddingX, dilationY, dilationX } = geometry;
    const planes = batch * inChannels;
    const values = memory.allocate(x.dtype, planes * outHeight * outWidth);
    const indices = memory.allocate("int32", values.length);
    const [source, best, position] = [viewOf(x), values.view, indices.view];
    let out = 0;
    for (let plane = 0; plane < planes; plane++)
      for (let y = 0; y < outHeight; y++)
        for (let x = 0; x < outWidth; x++, out++) {
          best[out] = -Infinity;
          position[out] = noPosition;
          for (let ky = 0; ky < kernelHeight; ky++)
            for (let kx = 0; kx < kernelWidth; kx++) {
              const sourceY = y * strideY + ky * dilationY - paddingY;
              const sourceX = x * strideX + kx * dilationX - paddingX;
              if (sourceY < 0 || sourceY >= height || sourceX < 0 || sourceX >= width) continue;
              const index = (plane * height + sourceY) * width + sourceX;
              if (position[out] === noPosition || isNewMaximum(source[index]!, best[out]!)) {
                best[out] = source[index]!;
                position[out] = index;
              }
            }
        }
    return { values, indices };
  },
});
