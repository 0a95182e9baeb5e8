/** The sizes of a two-dimensional convolution or pooling. An op checks them once; a kernel trusts them. */

import { ShapeError } from "./errors.ts";
import { type OptionNames, optionNames } from "./options.ts";
import { formatShape, type Shape } from "./shape.ts";

/** An option of both image axes: one number for both, or `[vertical, horizontal]`. */
export type Pair = number | readonly [number, number];

/** The pixels added on each side of an image. */
export interface Sides {
  readonly top: number;
  readonly left: number;
  readonly bottom: number;
  readonly right: number;
}

/**
 * The pixels added around an image: one number for all four sides, `[vertical, horizontal]`, or one number for each side. `"same"` adds as
 * many as ⌈size/stride⌉ windows need along each axis, so that stride 1 keeps the size of the image. If this number is odd, the side below
 * or to the right gets one more, as in PyTorch and in ONNX's SAME_UPPER.
 */
export type Padding = Pair | Sides | "same";

/** The options of `conv2d`, as PyTorch has them. */
export interface ConvolutionOptions {
  /** The distance between neighbouring windows, in pixels. Default: 1. */
  stride?: Pair;
  /** The zeros added around the image. Default: 0. */
  padding?: Padding;
  /** The distance between neighbouring taps of the kernel, in pixels. Default: 1. */
  dilation?: Pair;
  /** The number of groups that input and output channels are split into. Output channels see only the inputs of their group. Default: 1. */
  groups?: number;
}

/** The names of `ConvolutionOptions`. */
export const convolutionOptions: OptionNames = optionNames<ConvolutionOptions>({
  stride: true,
  padding: true,
  dilation: true,
  groups: true,
});

/**
 * Everything that a convolution kernel needs to know. x:[N,C,H,W], w:[O,C/groups,Kh,Kw] → y:[N,O,outHeight,outWidth]. The padding is that
 * above and to the left. The padding on the other two sides matters only for outHeight and outWidth, so a kernel does not need it.
 */
export interface ConvolutionGeometry {
  readonly batch: number;
  readonly inChannels: number;
  readonly outChannels: number;
  readonly groups: number;
  readonly height: number;
  readonly width: number;
  readonly kernelHeight: number;
  readonly kernelWidth: number;
  readonly outHeight: number;
  readonly outWidth: number;
  readonly strideY: number;
  readonly strideX: number;
  readonly paddingY: number;
  readonly paddingX: number;
  readonly dilationY: number;
  readonly dilationX: number;
}

/** One axis of an image, and the window that moves along it. */
export interface WindowAxis {
  /** The pixels of the image. */
  readonly size: number;
  /** The taps of the window. */
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
}

/** The pixels from the first to the last tap of a window, both included. */
const windowLength = ({ kernel, dilation }: WindowAxis): number => dilation * (kernel - 1) + 1;

/**
 * The number of window positions along one axis: ⌊(size + padding − dilation·(kernel−1) − 1)/stride⌋ + 1, or 0 if the window does not fit.
 * `padding` is that of both sides together.
 */
export const outputSize = (axis: WindowAxis, padding: number): number =>
  Math.max(0, Math.floor((axis.size + padding - windowLength(axis)) / axis.stride) + 1);

/** The least padding, of both sides together, with which `count` windows fit along the axis. */
export const paddingFor = (axis: WindowAxis, count: number): number =>
  count === 0 ? 0 : Math.max(0, (count - 1) * axis.stride + windowLength(axis) - axis.size);

function checkInteger(op: string, name: string, value: number, least: number): number {
  if (!Number.isInteger(value) || value < least) throw new ShapeError(`${op}: ${name} must be an integer ≥ ${least}, got ${value}`);
  return value;
}

/** The vertical and the horizontal number of an option. @throws ShapeError unless both are integers ≥ `least`. */
export function pair(op: string, name: string, value: Pair, least: number): [vertical: number, horizontal: number] {
  const [y, x] = typeof value === "number" ? [value, value] : value;
  return [checkInteger(op, name, y, least), checkInteger(op, name, x, least)];
}

/**
 * The padding of each side, for an image and a window whose vertical and horizontal axes are given.
 * @throws ShapeError unless every number is an integer ≥ 0.
 */
export function sidesOf(op: string, padding: Padding, [y, x]: readonly [WindowAxis, WindowAxis]): Sides {
  if (padding === "same") {
    const [vertical, horizontal] = [y, x].map((axis) => paddingFor(axis, Math.ceil(axis.size / axis.stride))) as [number, number];
    const [top, left] = [Math.floor(vertical / 2), Math.floor(horizontal / 2)];
    return { top, left, bottom: vertical - top, right: horizontal - left };
  }
  if (typeof padding === "string")
    throw new ShapeError(
      `${op}: padding must be a number, [vertical, horizontal], { top, left, bottom, right } or "same", got "${padding}"`,
    );
  if (typeof padding === "number" || "length" in padding) {
    const [vertical, horizontal] = pair(op, "padding", padding, 0);
    return { top: vertical, left: horizontal, bottom: vertical, right: horizontal };
  }
  for (const side of ["top", "left", "bottom", "right"] as const) checkInteger(op, `padding.${side}`, padding[side], 0);
  return padding;
}

/** An axis on which any padding that is allowed fits. */
const anyAxis: WindowAxis = { size: 1, kernel: 1, stride: 1, dilation: 1 };

/**
 * Checks the options of a layer when the layer is made, before there is an image.
 * @throws ShapeError for numbers that no image allows.
 */
export function checkWindowOptions(
  op: string,
  options: ConvolutionOptions & { readonly kernel?: Pair; readonly outputPadding?: Pair },
): void {
  const { kernel = 1, stride = 1, dilation = 1, padding = 0, groups = 1, outputPadding = 0 } = options;
  for (const [name, value] of Object.entries({ kernel, stride, dilation })) pair(op, name, value, 1);
  pair(op, "outputPadding", outputPadding, 0);
  sidesOf(op, padding, [anyAxis, anyAxis]);
  checkInteger(op, "groups", groups, 1);
}

/**
 * The sizes of the convolution of x with w.
 * @throws ShapeError when the ranks, the channels, the groups or the options do not fit together, or when the window is larger than the
 * padded image. An image without pixels is no error.
 */
export function convolutionGeometry(op: string, x: Shape, w: Shape, options: ConvolutionOptions = {}): ConvolutionGeometry {
  if (x.length !== 4 || w.length !== 4)
    throw new ShapeError(`${op}: needs x:[N,C,H,W] and w:[O,C/groups,Kh,Kw], got x:${formatShape(x)} and w:${formatShape(w)}`);
  const [strideY, strideX] = pair(op, "stride", options.stride ?? 1, 1);
  const [dilationY, dilationX] = pair(op, "dilation", options.dilation ?? 1, 1);
  const groups = options.groups ?? 1;
  const [batch, inChannels, height, width] = x as [number, number, number, number];
  const [outChannels, groupChannels, kernelHeight, kernelWidth] = w as [number, number, number, number];
  if (!Number.isInteger(groups) || groups < 1 || inChannels % groups !== 0 || outChannels % groups !== 0)
    throw new ShapeError(
      `${op}: groups must divide the input and output channels, got groups=${groups}, C=${inChannels}, O=${outChannels}`,
    );
  if (groupChannels * groups !== inChannels)
    throw new ShapeError(
      `${op}: w must have C/groups = ${inChannels / groups} input channels, got x:${formatShape(x)}, w:${formatShape(w)}, groups=${groups}`,
    );
  if (kernelHeight < 1 || kernelWidth < 1) throw new ShapeError(`${op}: the kernel must be at least 1×1, got w:${formatShape(w)}`);
  const axes = [
    { size: height, kernel: kernelHeight, stride: strideY, dilation: dilationY },
    { size: width, kernel: kernelWidth, stride: strideX, dilation: dilationX },
  ] as const;
  const { top, left, bottom, right } = sidesOf(op, options.padding ?? 0, axes);
  const [outHeight, outWidth] = [outputSize(axes[0], top + bottom), outputSize(axes[1], left + right)];
  if (height * width > 0 && outHeight * outWidth === 0) {
    const [padded, window] = [[height + top + bottom, width + left + right], axes.map(windowLength)];
    throw new ShapeError(
      `${op}: the window must not be larger than the padded image, got a window of ${window.join("×")} pixels on ${padded.join("×")}`,
    );
  }
  return {
    batch,
    inChannels,
    outChannels,
    groups,
    height,
    width,
    kernelHeight,
    kernelWidth,
    outHeight,
    outWidth,
    strideY,
    strideX,
    paddingY: top,
    paddingX: left,
    dilationY,
    dilationX,
  };
}

/** The two image axes of a convolution, the vertical one first. */
export const windowAxes = (g: ConvolutionGeometry): [vertical: WindowAxis, horizontal: WindowAxis] => [
  { size: g.height, kernel: g.kernelHeight, stride: g.strideY, dilation: g.dilationY },
  { size: g.width, kernel: g.kernelWidth, stride: g.strideX, dilation: g.dilationX },
];

/** The multiply-adds of the convolution over the whole batch: N·O·H′·W′·(C/groups)·Kh·Kw. Taps that fall on the padding count too. */
export function convolutionMultiplyAdds(g: ConvolutionGeometry): number {
  return g.batch * g.outChannels * g.outHeight * g.outWidth * (g.inChannels / g.groups) * g.kernelHeight * g.kernelWidth;
}
