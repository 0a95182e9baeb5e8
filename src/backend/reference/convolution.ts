/**
 * The two-dimensional convolution and its two gradients. This file teaches that the three are one sum (docs/derivations/convolution.md):
 *
 *     T(x, w, g) = Σ  x[n, c, y·s + ky·d − p, …] · w[o, c, ky, kx] · g[n, o, y, x]
 *
 * T is linear in each of its three arguments. Its derivative by g is the convolution of x with w, its derivative by x is the input
 * gradient, and its derivative by w is the weight gradient. So one nest of loops visits all taps, and each kernel is one line that
 * multiplies two arguments and adds to the third. Groups only limit which input channels c an output channel o sees. groups = C is the
 * depthwise convolution.
 */

import type { ConvolutionGeometry } from "../../core/convolution-geometry.ts";
import { type HostMemory, viewOf } from "../host-storage.ts";
import type { Kernels } from "../kernels.ts";

/**
 * Visits every multiplication of a convolution, by the positions in x, w and y. It leaves out the taps on the padding, because they
 * multiply zeros.
 */
function forEachTap(geometry: ConvolutionGeometry, visit: (atX: number, atW: number, atY: number) => void): void {
  const { batch, inChannels, outChannels, groups, height, width, kernelHeight, kernelWidth, outHeight, outWidth } = geometry;
  const groupInputs = inChannels / groups;
  const groupOutputs = outChannels / groups;
  for (let n = 0; n < batch; n++)
    for (let o = 0; o < outChannels; o++)
      for (let c = 0; c < groupInputs; c++) {
        const planeX = n * inChannels + Math.floor(o / groupOutputs) * groupInputs + c;
        const planeW = o * groupInputs + c;
        const planeY = n * outChannels + o;
        for (let y = 0; y < outHeight; y++)
          for (let ky = 0; ky < kernelHeight; ky++) {
            const sourceY = y * geometry.strideY + ky * geometry.dilationY - geometry.paddingY;
            if (sourceY < 0 || sourceY >= height) continue;
            for (let x = 0; x < outWidth; x++)
              for (let kx = 0; kx < kernelWidth; kx++) {
                const sourceX = x * geometry.strideX + kx * geometry.dilationX - geometry.paddingX;
                if (sourceX < 0 || sourceX >= width) continue;
                visit(
                  (planeX * height + sourceY) * width + sourceX,
                  (planeW * kernelHeight + ky) * kernelWidth + kx,
                  (planeY * outHeight + y) * outWidth + x,
                );
              }
          }
      }
}

export const convolutionKernels = (memory: HostMemory): Pick<Kernels, "conv2d" | "conv2dInputGradient" | "conv2dWeightGradient"> => ({
  conv2d(x, w, geometry) {
    const { batch, outChannels, outHeight, outWidth } = geometry;
    const out = memory.allocate(x.dtype, batch * outChannels * outHeight * outWidth);
    const [xs, ws, sums] = [viewOf(x), viewOf(w), new Float64Array(out.length)];
    forEachTap(geometry, (atX, atW, atY) => {
      sums[atY]! += xs[atX]! * ws[atW]!;
    });
    out.view.set(sums);
    return out;
  },

  conv2dInputGradient(g, w, geometry) {
    const { batch, inChannels, height, width } = geometry;
    const out = memory.allocate(g.dtype, batch * inChannels * height * width);
    const [gs, ws, sums] = [viewOf(g), viewOf(w), new Float64Array(out.length)];
    forEachTap(geometry, (atX, atW, atY) => {
      sums[atX]! += gs[atY]! * ws[atW]!;
    });
    out.view.set(sums);
    return out;
  },

  conv2dWeightGradient(x, g, geometry) {
    const { inChannels, outChannels, groups, kernelHeight, kernelWidth } = geometry;
    const out = memory.allocate(x.dtype, outChannels * (inChannels / groups) * kernelHeight * kernelWidth);
    const [xs, gs, sums] = [viewOf(x), viewOf(g), new Float64Array(out.length)];
    forEachTap(geometry, (atX, atW, atY) => {
      sums[atW]! += xs[atX]! * gs[atY]!;
    });
    out.view.set(sums);
    return out;
  },
});
