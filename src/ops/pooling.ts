/** Max and average pooling over windows of an image, and the average over the whole image. */

import { kernels } from "../backend/active.ts";
import { type ConvolutionGeometry, type ConvolutionOptions, convolutionGeometry, type Pair } from "../core/convolution-geometry.ts";
import { ShapeError } from "../core/errors.ts";
import { checkOptions, type OptionNames, optionNames } from "../core/options.ts";
import { checkShape, formatShape, type Shape } from "../core/shape.ts";
import { differentiable } from "../tape/tape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { conv2d } from "./convolution.ts";
import { full } from "./creation.ts";
import { scatterAdd } from "./indexing.ts";
import { checkFloating, output } from "./output.ts";
import { mean } from "./reductions.ts";
import { reshape } from "./reshape.ts";

/** The options of `maxPool2d` and `avgPool2d`, as PyTorch has them. */
export interface PoolingOptions {
  /** The size of a window, in pixels. */
  readonly kernel: Pair;
  /** The distance between neighbouring windows, in pixels. Default: the size of a window, so that windows do not overlap. */
  readonly stride?: Pair;
  /** The pixels added on each side of the image, at most half a window, so that every window meets the image. Default: 0. */
  readonly padding?: Pair;
}

/** The names of `PoolingOptions`. */
export const poolingOptions: OptionNames = optionNames<PoolingOptions>({ kernel: true, stride: true, padding: true });

/**
 * Pooling has the shapes of a depthwise convolution. This is the geometry of that convolution, with the shape of its weight and its
 * options.
 */
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
    throw new ShapeError(`${op}: an image with padding must not be empty, got ${formatShape(x.shape)} with padding [${border}]`);
  const weight = [channels, Math.min(1, channels), ...size];
  const options = { stride, padding, groups: Math.max(1, channels) };
  return { weight, options, geometry: convolutionGeometry(op, x.shape, weight, options) };
}

const maxPool: (x: Tensor, options: PoolingOptions) => Tensor = differentiable("maxPool2d", (x: Tensor, options: PoolingOptions) => {
  checkOptions("maxPool2d", options, poolingOptions);
  const { geometry } = window("maxPool2d", x, options);
  const { values, indices } = kernels().maxPool2d(x.storage, geometry);
  const outShape = [geometry.batch, geometry.outChannels, geometry.outHeight, geometry.outWidth];
  const positions = output(outShape, indices);
  return { inputs: [x], value: output(outShape, values), vjp: [(g) => reshape(scatterAdd(g, positions, [x.size]), x.shape)] };
});

/**
 * The largest value of each window. x:[N,C,H,W] → y:[N,C,H′,W′]. VJP: ȳ goes to the position of the largest value, the first one if several
 * are equal.
 * @throws ShapeError for a rank other than 4, or options that do not fit.
 */
export const maxPool2d = (x: Tensor, options: PoolingOptions): Tensor => maxPool(x, options);

/**
 * The mean of each window, where padding counts as zeros (PyTorch's default). x:[N,C,H,W] → y:[N,C,H′,W′]. It is a depthwise convolution
 * whose weights are all 1/(Kh·Kw), so its VJP is that of conv2d.
 * @throws ShapeError for a rank other than 4, or options that do not fit.
 */
export function avgPool2d(x: Tensor, options: PoolingOptions): Tensor {
  checkOptions("avgPool2d", options, poolingOptions);
  const { weight, options: convolution, geometry } = window("avgPool2d", x, options);
  return conv2d(x, full(weight, 1 / (geometry.kernelHeight * geometry.kernelWidth), { dtype: x.dtype }), convolution);
}

/** The mean of each channel over the whole image.   x:[N,C,H,W] → y:[N,C]. @throws ShapeError for a rank other than 4. */
export function globalAvgPool2d(x: Tensor): Tensor {
  if (x.rank !== 4) throw new ShapeError(`globalAvgPool2d: needs x:[N,C,H,W], got ${formatShape(x.shape)}`);
  return mean(x, { axes: [2, 3] });
}
