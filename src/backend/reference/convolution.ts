/**
 * The two-dimensional convolution and its two gradients. This file teaches that the three are one sum (docs/derivations/convolution.md):
 *
 *     T(x, w, g) = Σ  x[n, c, y·s + ky·d − p, …] · w[o, c, ky, kx] · g[n, o, y, x]
 *
 * s is the stride, d the dilation and p the padding. x is 0 outside the input image, and g is 0 outside the output image. T is linear in
 * each of its three arguments. The derivative of T with respect to g is the convolution of x with w. The derivative with respect to x is
 * the input gradient, and the derivative with respect to w is the weight gradient. So one nest of loops visits all terms of the sum, a row
 * of the image at a time. Each kernel is one loop over a row, which multiplies two arguments and adds the product to the derivative with
 * respect to the third. Groups only limit which input channels c an output channel o sees. groups = C is the depthwise convolution.
 */

import type { ConvolutionGeometry } from "../../core/convolution-geometry.ts";
import type { TypedArray } from "../../tensor/storage.ts";
import { type HostMemory, viewOf } from "../host-storage.ts";
import type { Kernels } from "../kernels.ts";

/**
 * The positions of the window that the sum visits. `inside` are those of y. `overlapping` are also those beyond y at which the window
 * overlaps the image. g is 0 there, and the input gradient adds this 0 times w.
 */
type Windows = "inside" | "overlapping";

/** The part of one axis that the windows see. */
interface Axis {
  /** The first position of the window, and the number of positions. */
  readonly first: number;
  readonly count: number;
  /** What these windows see of x. It begins before 0 where there is padding. */
  readonly origin: number;
  readonly extent: number;
}

interface AxisGeometry {
  readonly size: number;
  readonly outSize: number;
  readonly kernel: number;
  readonly stride: number;
  readonly padding: number;
  readonly dilation: number;
}

function axisOf({ size, outSize, kernel, stride, padding, dilation }: AxisGeometry, windows: Windows): Axis {
  const reach = (kernel - 1) * dilation;
  const [first, end] =
    windows === "inside"
      ? [0, outSize]
      : [Math.min(0, Math.ceil((padding - reach) / stride)), Math.max(outSize, Math.floor((size - 1 + padding) / stride) + 1)];
  return { first, count: end - first, origin: first * stride - padding, extent: end > first ? (end - first - 1) * stride + reach + 1 : 0 };
}

/** Planes of numbers. `rows` and `columns` begin at the positions `top` and `left` of an image. */
interface Frame {
  readonly planes: number;
  readonly top: number;
  readonly left: number;
  readonly rows: number;
  readonly columns: number;
}

const sizeOfFrame = ({ planes, rows, columns }: Frame): number => planes * rows * columns;

/** Calls `copy` for every row that a frame and the images within it share, with the positions at which the row begins, and its length. */
function forEachSharedRow(
  frame: Frame,
  height: number,
  width: number,
  copy: (inFrame: number, inImage: number, length: number) => void,
): void {
  const { planes, top, left, rows, columns } = frame;
  const [begin, end] = [Math.max(0, left), Math.min(width, left + columns)];
  if (begin >= end) return;
  for (let plane = 0; plane < planes; plane++)
    for (let row = Math.max(0, top); row < Math.min(height, top + rows); row++)
      copy((plane * rows + row - top) * columns + begin - left, (plane * height + row) * width + begin, end - begin);
}

/** The numbers of a frame: those of the images, and 0 outside them. */
function framed(images: TypedArray, frame: Frame, height: number, width: number): Float64Array {
  const values = new Float64Array(sizeOfFrame(frame));
  forEachSharedRow(frame, height, width, (inFrame, inImage, length) => values.set(images.subarray(inImage, inImage + length), inFrame));
  return values;
}

/** The inverse of `framed`: writes what lies inside the images to `images`. A pixel that the frame lacks is 0. */
function unframed(values: Float64Array, frame: Frame, height: number, width: number, images: TypedArray): void {
  images.fill(0);
  forEachSharedRow(frame, height, width, (inFrame, inImage, length) => images.set(values.subarray(inFrame, inFrame + length), inImage));
}

interface Frames {
  readonly x: Frame;
  readonly y: Frame;
}

/** The frames of x and of y that hold every position that the sum visits. */
function framesOf(geometry: ConvolutionGeometry, windows: Windows): Frames {
  const { batch, inChannels, outChannels, height, width, kernelHeight, kernelWidth, outHeight, outWidth } = geometry;
  const { strideY, strideX, paddingY, paddingX, dilationY, dilationX } = geometry;
  const down = axisOf(
    { size: height, outSize: outHeight, kernel: kernelHeight, stride: strideY, padding: paddingY, dilation: dilationY },
    windows,
  );
  const across = axisOf(
    { size: width, outSize: outWidth, kernel: kernelWidth, stride: strideX, padding: paddingX, dilation: dilationX },
    windows,
  );
  return {
    x: { planes: batch * inChannels, top: down.origin, left: across.origin, rows: down.extent, columns: across.extent },
    y: { planes: batch * outChannels, top: down.first, left: across.first, rows: down.count, columns: across.count },
  };
}

type RowVisitor = (atX: number, atW: number, atY: number) => void;

/**
 * Visits every term of the sum, a row at a time. `visit` gets the positions of the first term of the row in the frame of x, in w, and in
 * the frame of y or of its gradient g. From term to term of a row, the position in x grows by the stride, the position in y by 1, and the
 * position in w stays. The numbers outside an image are 0 and take part, so that 0·∞ and 0·NaN are NaN as in any other sum.
 */
function forEachRow(geometry: ConvolutionGeometry, frames: Frames, visit: RowVisitor): void {
  const { batch, inChannels, outChannels, groups, kernelHeight, kernelWidth, strideY, dilationY, dilationX } = geometry;
  if (geometry.outHeight === 0 || geometry.outWidth === 0) return; // No window fits into the image. The sum has no terms.
  const groupInputs = inChannels / groups;
  const groupOutputs = outChannels / groups;
  for (let n = 0; n < batch; n++)
    for (let o = 0; o < outChannels; o++)
      for (let c = 0; c < groupInputs; c++) {
        const planeX = n * inChannels + Math.floor(o / groupOutputs) * groupInputs + c;
        const planeW = o * groupInputs + c;
        const planeY = n * outChannels + o;
        for (let y = 0; y < frames.y.rows; y++)
          for (let ky = 0; ky < kernelHeight; ky++) {
            const rowX = (planeX * frames.x.rows + y * strideY + ky * dilationY) * frames.x.columns;
            const rowW = (planeW * kernelHeight + ky) * kernelWidth;
            const rowY = (planeY * frames.y.rows + y) * frames.y.columns;
            for (let kx = 0; kx < kernelWidth; kx++) visit(rowX + kx * dilationX, rowW + kx, rowY);
          }
      }
}

export const convolutionKernels = (memory: HostMemory): Pick<Kernels, "conv2d" | "conv2dInputGradient" | "conv2dWeightGradient"> => ({
  conv2d(x, w, geometry) {
    const { batch, outChannels, height, width, outHeight, outWidth, strideX } = geometry;
    const out = memory.allocate(x.dtype, batch * outChannels * outHeight * outWidth);
    const frames = framesOf(geometry, "inside");
    const [xs, ws, sums] = [framed(viewOf(x), frames.x, height, width), viewOf(w), new Float64Array(sizeOfFrame(frames.y))];
    const count = frames.y.columns;
    forEachRow(geometry, frames, (atX, atW, atY) => {
      const weight = ws[atW]!;
      for (let i = 0; i < count; i++) sums[atY + i]! += xs[atX + i * strideX]! * weight;
    });
    unframed(sums, frames.y, outHeight, outWidth, out.view);
    return out;
  },

  conv2dInputGradient(g, w, geometry) {
    const { batch, inChannels, height, width, outHeight, outWidth, strideX } = geometry;
    const out = memory.allocate(g.dtype, batch * inChannels * height * width);
    const frames = framesOf(geometry, "overlapping");
    const [gs, ws, sums] = [framed(viewOf(g), frames.y, outHeight, outWidth), viewOf(w), new Float64Array(sizeOfFrame(frames.x))];
    const count = frames.y.columns;
    forEachRow(geometry, frames, (atX, atW, atY) => {
      const weight = ws[atW]!;
      for (let i = 0; i < count; i++) sums[atX + i * strideX]! += gs[atY + i]! * weight;
    });
    unframed(sums, frames.x, height, width, out.view);
    return out;
  },

  conv2dWeightGradient(x, g, geometry) {
    const { inChannels, outChannels, groups, height, width, kernelHeight, kernelWidth, outHeight, outWidth, strideX } = geometry;
    const out = memory.allocate(x.dtype, outChannels * (inChannels / groups) * kernelHeight * kernelWidth);
    const frames = framesOf(geometry, "inside");
    const xs = framed(viewOf(x), frames.x, height, width);
    const gs = framed(viewOf(g), frames.y, outHeight, outWidth);
    const sums = new Float64Array(out.length);
    const count = frames.y.columns;
    forEachRow(geometry, frames, (atX, atW, atY) => {
      let sum = sums[atW]!;
      for (let i = 0; i < count; i++) sum += xs[atX + i * strideX]! * gs[atY + i]!;
      sums[atW] = sum;
    });
    out.view.set(sums);
    return out;
  },
});
