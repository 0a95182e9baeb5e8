/** The sizes of a two-dimensional convolution or pooling. An op checks them once; a kernel trusts them. */

import { ShapeError } from "./errors.ts";
import { type OptionNames, optionNames } from "./options.ts";
import { formatShape, type Shape } from "./shape.ts";

/** An option of both image axes: one number for both, or `[vertical, horizontal]`. */
export type Pair = number | readonly [number, number];

/** The options of `conv2d`, as PyTorch has them. */
export interface ConvolutionOptions {
  /** The distance between neighbouring windows, in pixels. Default: 1. */
  stride?: Pair;
  /** The number of zeros added on each side of the image. Default: 0. */
  padding?: Pair;
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

/** Everything that a convolution kernel needs to know. x:[N,C,H,W], w:[O,C/groups,Kh,Kw] → y:[N,O,outHeight,outWidth]. */
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

/**
 * The number of window positions along one axis: ⌊(size + 2·padding − dilation·(kernel−1) − 1)/stride⌋ + 1, or 0 if the window does not
 * fit.
 */
export function outputSize(size: number, kernel: number, stride: number, padding: number, dilation: number): number {
  return Math.max(0, Math.floor((size + 2 * padding - dilation * (kernel - 1) - 1) / stride) + 1);
}

function pair(op: string, name: string, value: Pair, least: number): [number, number] {
  const [y, x] = typeof value === "number" ? [value, value] : value;
  for (const v of [y, x])
    if (!Number.isInteger(v) || v < least) throw new ShapeError(`${op}: ${name} must be an integer ≥ ${least}, got ${v}`);
  return [y, x];
}

/**
 * The sizes of the convolution of x with w.
 * @throws ShapeError when the ranks, the channels, the groups or the options do not fit together.
 */
export function convolutionGeometry(op: string, x: Shape, w: Shape, options: ConvolutionOptions = {}): ConvolutionGeometry {
  if (x.length !== 4 || w.length !== 4)
    throw new ShapeError(`${op}: needs x:[N,C,H,W] and w:[O,C/groups,Kh,Kw], got x:${formatShape(x)} and w:${formatShape(w)}`);
  const [strideY, strideX] = pair(op, "stride", options.stride ?? 1, 1);
  const [paddingY, paddingX] = pair(op, "padding", options.padding ?? 0, 0);
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
  return {
    batch,
    inChannels,
    outChannels,
    groups,
    height,
    width,
    kernelHeight,
    kernelWidth,
    outHeight: outputSize(height, kernelHeight, strideY, paddingY, dilationY),
    outWidth: outputSize(width, kernelWidth, strideX, paddingX, dilationX),
    strideY,
    strideX,
    paddingY,
    paddingX,
    dilationY,
    dilationX,
  };
}

/** The multiply-adds of the convolution over the whole batch: N·O·H′·W′·(C/groups)·Kh·Kw. Taps that fall on the padding count too. */
export function convolutionMultiplyAdds(g: ConvolutionGeometry): number {
  return g.batch * g.outChannels * g.outHeight * g.outWidth * (g.inChannels / g.groups) * g.kernelHeight * g.kernelWidth;
}
