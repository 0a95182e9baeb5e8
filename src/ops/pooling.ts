/**
 * Max and average pooling over windows of an image, and the average over the whole image. Pooling has the shapes of a depthwise
 * convolution, and ceil mode is more padding below and to the right (docs/derivations/pooling.md).
 */

import { kernels } from "../backend/active.ts";
import {
  type ConvolutionGeometry,
  convolutionGeometry,
  outputSize,
  type Padding,
  type Pair,
  paddingFor,
  pair,
  type Sides,
  sidesOf,
  type WindowAxis,
} from "../core/convolution-geometry.ts";
import { ShapeError } from "../core/errors.ts";
import { checkOptions, type OptionNames, optionNames } from "../core/options.ts";
import { formatShape, type Shape } from "../core/shape.ts";
import { differentiable } from "../tape/tape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { conv2d } from "./convolution.ts";
import { full, tensor } from "./creation.ts";
import { divide } from "./elementwise.ts";
import { scatterAdd } from "./indexing.ts";
import { checkFloating, output } from "./output.ts";
import { mean } from "./reductions.ts";
import { reshape } from "./reshape.ts";

/** The options of `maxPool2d`, as PyTorch has them. */
export interface PoolingOptions {
  /** The size of a window, in pixels. */
  readonly kernel: Pair;
  /** The distance between neighbouring windows, in pixels. Default: the size of a window, so that windows do not overlap. */
  readonly stride?: Pair;
  /**
   * The pixels added around the image. Each side is smaller than the window, and two opposite sides are at most the window together, so
   * that every window meets the image. Default: 0.
   */
  readonly padding?: Padding;
  /**
   * Whether a last window may reach beyond the padded image. It must start inside the image or the padding before the image. Default:
   * false.
   */
  readonly ceilMode?: boolean;
}

/** The options of `avgPool2d`, as PyTorch has them. */
export interface AveragePoolingOptions extends PoolingOptions {
  /**
   * Whether the mean counts the pixels of the padding, which are 0. What a window of ceil mode covers beyond the padding never counts.
   * Default: true.
   */
  readonly countIncludePad?: boolean;
}

/** The windows of a pooling. */
interface Windows {
  /** The shape of the weight of the depthwise convolution that has these windows. */
  readonly weight: Shape;
  /** The options of this convolution. Its padding includes what ceil mode adds. */
  readonly convolution: { readonly stride: Pair; readonly padding: Sides; readonly groups: number };
  readonly geometry: ConvolutionGeometry;
  /** The two axes of the image, with the padding that the user asked for. */
  readonly axes: readonly [PaddedAxis, PaddedAxis];
}

/** An axis of the image, with the padding before and after the image. */
interface PaddedAxis extends WindowAxis {
  readonly before: number;
  readonly after: number;
}

/** The names of `PoolingOptions`. */
export const poolingOptions: OptionNames = optionNames<PoolingOptions>({ kernel: true, stride: true, padding: true, ceilMode: true });

/** The names of `AveragePoolingOptions`. */
export const averagePoolingOptions: OptionNames = optionNames<AveragePoolingOptions>({
  kernel: true,
  stride: true,
  padding: true,
  ceilMode: true,
  countIncludePad: true,
});

/**
 * The padding after the image in ceil mode. It is what the last window needs that starts in the image or in the padding before the image,
 * and at least what the user asked for.
 */
function ceilPadding({ before, after, ...axis }: PaddedAxis): number {
  const most = outputSize(axis, before + after + axis.stride - 1);
  const count = (most - 1) * axis.stride < axis.size + before ? most : most - 1;
  return Math.max(after, paddingFor(axis, count) - before);
}

function windowsOf(op: string, x: Tensor, options: PoolingOptions): Windows {
  checkFloating(op, x);
  if (x.rank !== 4) throw new ShapeError(`${op}: needs x:[N,C,H,W], got ${formatShape(x.shape)}`);
  const [, channels, height, width] = x.shape as [number, number, number, number];
  if (height * width === 0) throw new ShapeError(`${op}: an image must have pixels, got ${formatShape(x.shape)}`);
  const kernel = pair(op, "kernel", options.kernel, 1);
  const stride = pair(op, "stride", options.stride ?? kernel, 1);
  const vertical = { size: height, kernel: kernel[0], stride: stride[0], dilation: 1 };
  const horizontal = { size: width, kernel: kernel[1], stride: stride[1], dilation: 1 };
  const { top, left, bottom, right } = sidesOf(op, options.padding ?? 0, [vertical, horizontal]);
  const axes = [
    { ...vertical, before: top, after: bottom },
    { ...horizontal, before: left, after: right },
  ] as const;
  if (axes.some((axis) => axis.before + axis.after > axis.kernel || Math.max(axis.before, axis.after) >= axis.kernel))
    throw new ShapeError(
      `${op}: each side's padding must be smaller than the window, and two opposite sides at most the window together, got padding ` +
        `{ top: ${top}, left: ${left}, bottom: ${bottom}, right: ${right} } for the window [${kernel}]`,
    );
  const ends = options.ceilMode ? { bottom: ceilPadding(axes[0]), right: ceilPadding(axes[1]) } : { bottom, right };
  const weight = [channels, Math.min(1, channels), ...kernel];
  const convolution = { stride, padding: { top, left, ...ends }, groups: Math.max(1, channels) };
  return { weight, convolution, geometry: convolutionGeometry(op, x.shape, weight, convolution), axes };
}

const maxPool: (x: Tensor, options: PoolingOptions) => Tensor = differentiable("maxPool2d", (x: Tensor, options: PoolingOptions) => {
  checkOptions("maxPool2d", options, poolingOptions);
  const { geometry } = windowsOf("maxPool2d", x, options);
  const { values, indices } = kernels().maxPool2d(x.storage, geometry);
  const outShape = [geometry.batch, geometry.outChannels, geometry.outHeight, geometry.outWidth];
  const positions = output(outShape, indices);
  return { inputs: [x], value: output(outShape, values), vjp: [(g) => reshape(scatterAdd(g, positions, [x.size]), x.shape)] };
});

/**
 * The largest value of each window, where padding never counts. x:[N,C,H,W] → y:[N,C,H′,W′]. VJP: ȳ goes to the position of the largest
 * value, the first one if several are equal.
 * @throws ShapeError for a rank other than 4, an image without pixels, options that do not fit, or a window larger than the padded image.
 */
export const maxPool2d = (x: Tensor, options: PoolingOptions): Tensor => maxPool(x, options);

/** The number of pixels that the mean of each window divides by, along one axis. */
function countsOf({ size, kernel, stride, before, after }: PaddedAxis, windows: number, countIncludePad: boolean): number[] {
  const [first, end] = countIncludePad ? [-before, size + after] : [0, size];
  return Array.from({ length: windows }, (_, i) => {
    const start = i * stride - before;
    return Math.min(start + kernel, end) - Math.max(start, first);
  });
}

/**
 * The mean of each window. x:[N,C,H,W] → y:[N,C,H′,W′]. It is a depthwise convolution whose weights are all 1/(Kh·Kw), so its VJP is that
 * of conv2d. Where some windows count fewer pixels than others, the weights are 1 and the sums are divided by the numbers of pixels.
 * @throws ShapeError for a rank other than 4, an image without pixels, options that do not fit, or a window larger than the padded image.
 */
export function avgPool2d(x: Tensor, options: AveragePoolingOptions): Tensor {
  checkOptions("avgPool2d", options, averagePoolingOptions);
  const { countIncludePad = true } = options;
  const { weight, convolution, geometry, axes } = windowsOf("avgPool2d", x, options);
  const { kernelHeight, kernelWidth, outHeight, outWidth } = geometry;
  const [rows, columns] = [countsOf(axes[0], outHeight, countIncludePad), countsOf(axes[1], outWidth, countIncludePad)];
  const weighted = (value: number): Tensor => conv2d(x, full(weight, value, { dtype: x.dtype }), convolution);
  if (rows.every((count) => count === kernelHeight) && columns.every((count) => count === kernelWidth))
    return weighted(1 / (kernelHeight * kernelWidth));
  const counts = rows.map((row) => columns.map((column) => row * column));
  return divide(weighted(1), tensor([[counts]], { dtype: x.dtype }));
}

/** The mean of each channel over the whole image.   x:[N,C,H,W] → y:[N,C]. @throws ShapeError for a rank other than 4. */
export function globalAvgPool2d(x: Tensor): Tensor {
  if (x.rank !== 4) throw new ShapeError(`globalAvgPool2d: needs x:[N,C,H,W], got ${formatShape(x.shape)}`);
  return mean(x, { axes: [2, 3] });
}

/**
 * The maximum of each channel over the whole image.   x:[N,C,H,W] → y:[N,C]. VJP: that of `maxPool2d`.
 * @throws ShapeError for a rank other than 4 or an image without pixels.
 */
export function globalMaxPool2d(x: Tensor): Tensor {
  if (x.rank !== 4) throw new ShapeError(`globalMaxPool2d: needs x:[N,C,H,W], got ${formatShape(x.shape)}`);
  const [batch, channels, height, width] = x.shape as [number, number, number, number];
  return reshape(maxPool2d(x, { kernel: [height, width] }), [batch, channels]);
}
