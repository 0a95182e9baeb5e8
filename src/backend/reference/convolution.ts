/**
 * The two-dimensional convolution and its two gradients. This file teaches that the three are one sum (docs/derivations/convolution.md):
 *
 *     T(x, w, g) = Σ  x[n, c, y·s + ky·d − p, …] · w[o, c, ky, kx] · g[n, o, y, x]
 *
 * s is the stride, d the dilation and p the padding. x is 0 outside the input image, and g is 0 outside the output image. T is linear in
 * each of its three arguments. The derivative of T with respect to g is the convolution of x with w. The derivative with respect to x is
 * the input gradient, and the derivative with respect to w is the weight gradient. So one nest of loops visits all terms of the sum. Each
 * kernel is one line, which multiplies two arguments and adds the product to the derivative with respect to the third. Groups only limit
 * which input channels c an output channel o sees. groups = C is the depthwise convolution.
 */

import type { ConvolutionGeometry } from "../../core/convolution-geometry.ts";
import type { TypedArray } from "../../tensor/storage.ts";
import { type HostMemory, viewOf } from "../host-storage.ts";
import type { Kernels } from "../kernels.ts";

/** Stands for every position outside an image. The value there is 0. */
const outside = -1;

/** The value at a position. It is 0 outside the image. */
const valueAt = (values: TypedArray, at: number): number => (at === outside ? 0 : values[at]!);

/**
 * Visits every term of the sum. `visit` gets the positions of the term in x, in w, and in y or its gradient g. The positions in x and in y
 * may be `outside`. The value there is 0. A kernel that reads this 0 still adds its product, so that 0·∞ and 0·NaN are NaN as in any other
 * sum.
 */
function forEachTerm(geometry: ConvolutionGeometry, visit: (atX: number, atW: number, atY: number) => void): void {
  const { batch, inChannels, outChannels, groups, height, width, kernelHeight, kernelWidth, outHeight, outWidth } = geometry;
  if (outHeight === 0 || outWidth === 0) return; // No window fits into the image. The sum has no terms, so all gradients are 0.
  const groupInputs = inChannels / groups;
  const groupOutputs = outChannels / groups;
  const [firstY, endY] = windowRange(height, outHeight, kernelHeight, geometry.strideY, geometry.paddingY, geometry.dilationY);
  const [firstX, endX] = windowRange(width, outWidth, kernelWidth, geometry.strideX, geometry.paddingX, geometry.dilationX);
  for (let n = 0; n < batch; n++)
    for (let o = 0; o < outChannels; o++)
      for (let c = 0; c < groupInputs; c++) {
        const planeX = n * inChannels + Math.floor(o / groupOutputs) * groupInputs + c;
        const planeW = o * groupInputs + c;
        const planeY = n * outChannels + o;
        for (let y = firstY; y < endY; y++)
          for (let ky = 0; ky < kernelHeight; ky++) {
            const sourceY = y * geometry.strideY + ky * geometry.dilationY - geometry.paddingY;
            for (let x = firstX; x < endX; x++)
              for (let kx = 0; kx < kernelWidth; kx++) {
                const sourceX = x * geometry.strideX + kx * geometry.dilationX - geometry.paddingX;
                const insideX = sourceY >= 0 && sourceY < height && sourceX >= 0 && sourceX < width;
                const insideY = y >= 0 && y < outHeight && x >= 0 && x < outWidth;
                visit(
                  insideX ? (planeX * height + sourceY) * width + sourceX : outside,
                  (planeW * kernelHeight + ky) * kernelWidth + kx,
                  insideY ? (planeY * outHeight + y) * outWidth + x : outside,
                );
              }
          }
      }
}

/**
 * The first position of the window along one axis, and the end, exclusive. The range holds all positions at which the window overlaps the
 * image, and all positions of y.
 */
function windowRange(size: number, outSize: number, kernel: number, stride: number, padding: number, dilation: number): [number, number] {
  const first = Math.ceil((padding - (kernel - 1) * dilation) / stride);
  const last = Math.floor((size - 1 + padding) / stride);
  return [Math.min(0, first), Math.max(outSize, last + 1)];
}

export const convolutionKernels = (memory: HostMemory): Pick<Kernels, "conv2d" | "conv2dInputGradient" | "conv2dWeightGradient"> => ({
  conv2d(x, w, geometry) {
    const { batch, outChannels, outHeight, outWidth } = geometry;
    const out = memory.allocate(x.dtype, batch * outChannels * outHeight * outWidth);
    const [xs, ws, sums] = [viewOf(x), viewOf(w), new Float64Array(out.length)];
    forEachTerm(geometry, (atX, atW, atY) => {
      if (atY !== outside) sums[atY]! += valueAt(xs, atX) * ws[atW]!;
    });
    out.view.set(sums);
    return out;
  },

  conv2dInputGradient(g, w, geometry) {
    const { batch, inChannels, height, width } = geometry;
    const out = memory.allocate(g.dtype, batch * inChannels * height * width);
    const [gs, ws, sums] = [viewOf(g), viewOf(w), new Float64Array(out.length)];
    forEachTerm(geometry, (atX, atW, atY) => {
      if (atX !== outside) sums[atX]! += valueAt(gs, atY) * ws[atW]!;
    });
    out.view.set(sums);
    return out;
  },

  conv2dWeightGradient(x, g, geometry) {
    const { inChannels, outChannels, groups, kernelHeight, kernelWidth } = geometry;
    const out = memory.allocate(x.dtype, outChannels * (inChannels / groups) * kernelHeight * kernelWidth);
    const [xs, gs, sums] = [viewOf(x), viewOf(g), new Float64Array(out.length)];
    forEachTerm(geometry, (atX, atW, atY) => {
      if (atY !== outside) sums[atW]! += valueAt(xs, atX) * gs[atY]!;
    });
    out.view.set(sums);
    return out;
  },
});
