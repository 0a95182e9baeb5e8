/** Max, average and global pooling over windows of the last two axes. */

import { kernels } from "../backend/active.ts";
import { type ConvolutionGeometry, type ConvolutionOptions, convolutionGeometry, type Pair } from "../core/convolution-geometry.ts";
import { ShapeError } from "../core/errors.ts";
import { checkShape, formatShape, type Shape } from "../core/shape.ts";
import { differentiable } from "../tape/tape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { conv2d } from "./convolution.ts";
import { full } from "./creation.ts";
import { scatterAdd } from "./indexing.ts";
import { checkFloating, output } from "./output.ts";
import { mean } from "./reductions.ts";
import { reshape } from "./reshape.ts";

export interface PoolingOptions {
  /** Window size. */
  readonly kernel: Pair;
  /** Steps between windows; the window size by default. */
  readonly stride?: Pair;
  /** At most half the window, so that every window meets the image. */
  readonly padding?: Pair;
}

/** Pooling is a depthwise convolution in shape: the weight it would have, and its options. */
function window(
  op: string,
  x: Tensor,
  { kernel, stride = kernel, padding = 0 }: PoolingOptions,
): { weight: Shape; options: ConvolutionOptions; geometry: ConvolutionGeometry } {
  checkFloating(op, x);
  if (x.rank !== 4) throw new ShapeError(`${op}: needs x:[N,C,H,W], got ${formatShape(x.shape)}`);
  const both = (value: Pair): [number, number] => (typeof value === "number" ? [value, value] : [...value]);
  const [size, border] = [both(kernel), both(padding)];
  checkShape(op, size);
  if (border.some((width, axis) => width * 2 > size[axis]!))
    throw new ShapeError(`${op}: padding must be at most half the window, got padding [${border}] for window [${size}]`);
  const [, channels, height, width] = x.shape as [number, number, number, number];
  if (Math.max(...border) > 0 && height * width === 0)
    throw new ShapeError(`${op}: an empty image cannot be padded, got ${formatShape(x.shape)} with padding [${border}]`);
  const weight = [channels, Math.min(1, channels), ...size];
  const options = { stride, padding, groups: Math.max(1, channels) };
  return { weight, options, geometry: convolutionGeometry(op, x.shape, weight, options) };
}

const maxPool: (x: Tensor, options: PoolingOptions) => Tensor = differentiable("maxPool2d", (x: Tensor, options: PoolingOptions) => {
  const { geometry } = window("maxPool2d", x, options);
  const { values, indices } = kernels().maxPool2d(x.storage, geometry);
  const outShape = [geometry.batch, geometry.outChannels, geometry.outHeight, geometry.outWidth];
  const where = output(outShape, indices);
  return { inputs: [x], value: output(outShape, values), vjp: [(g) => reshape(scatterAdd(g, where, [x.size]), x.shape)] };
});

/** The largest value of each window (the first, at a tie).   x:[N,C,H,W] → y:[N,C,H′,W′].   VJP: ȳ goes to the value that won. @throws ShapeError */
export const maxPool2d = (x: Tensor, options: PoolingOptions): Tensor => maxPool(x, options);

/** The mean of each window, padding counting as zeros (PyTorch's default): a depthwise convolution by 1/(Kh·Kw). @throws ShapeError */
export function avgPool2d(x: Tensor, options: PoolingOptions): Tensor {
  const { weight, options: convolution, geometry } = window("avgPool2d", x, options);
  return conv2d(x, full(weight, 1 / (geometry.kernelHeight * geometry.kernelWidth), { dtype: x.dtype }), convolution);
}

/** The mean of each channel: x:[N,C,H,W] → y:[N,C]. @throws ShapeError */
export function globalAvgPool2d(x: Tensor): Tensor {
  if (x.rank !== 4) throw new ShapeError(`globalAvgPool2d: needs x:[N,C,H,W], got ${formatShape(x.shape)}`);
  return mean(x, { axes: [2, 3] });
}
