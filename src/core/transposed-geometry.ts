/** The sizes of a transposed convolution: those of the convolution whose input gradient it is. */

import { type ConvolutionGeometry, type Padding, type Pair, pair, sidesOf, type WindowAxis } from "./convolution-geometry.ts";
import { ShapeError } from "./errors.ts";
import { type OptionNames, optionNames } from "./options.ts";
import { formatShape, type Shape } from "./shape.ts";

/** The options of `convTranspose2d`, as PyTorch has them. */
export interface TransposedConvolutionOptions {
  /** The distance between the places of neighbouring pixels of x in y, in pixels. Default: 1. */
  readonly stride?: Pair;
  /** The pixels left out on each side of y. A convolution with this padding and the same stride goes back from y to x. Default: 0. */
  readonly padding?: Exclude<Padding, "same">;
  /** The pixels added below y and to its right. It must be below the stride or below the dilation. Default: 0. */
  readonly outputPadding?: Pair;
  /** The distance between neighbouring taps of the kernel, in pixels. Default: 1. */
  readonly dilation?: Pair;
  /** The number of groups that input and output channels are split into. Default: 1. */
  readonly groups?: number;
}

/** The names of `TransposedConvolutionOptions`. */
export const transposedConvolutionOptions: OptionNames = optionNames<TransposedConvolutionOptions>({
  stride: true,
  padding: true,
  outputPadding: true,
  dilation: true,
  groups: true,
});

/**
 * The sizes of the convolution that goes from y:[N,O,H′,W′] to x:[N,C,H,W] with w:[C,O/groups,Kh,Kw]. The transposed convolution goes from
 * x to y, where H′ = (H−1)·stride − top − bottom + dilation·(Kh−1) + outputPadding + 1.
 * @throws ShapeError when the ranks, the channels, the groups or the options do not fit together, or when x or y has no pixels.
 */
export function transposedGeometry(op: string, x: Shape, w: Shape, options: TransposedConvolutionOptions): ConvolutionGeometry {
  if (x.length !== 4 || w.length !== 4)
    throw new ShapeError(`${op}: needs x:[N,C,H,W] and w:[C,O/groups,Kh,Kw], got x:${formatShape(x)} and w:${formatShape(w)}`);
  const strides = pair(op, "stride", options.stride ?? 1, 1);
  const dilations = pair(op, "dilation", options.dilation ?? 1, 1);
  const added = pair(op, "outputPadding", options.outputPadding ?? 0, 0);
  const { groups = 1, padding = 0 } = options;
  const [batch, channels, ...image] = x as [number, number, number, number];
  const [weightChannels, groupOutputs, ...kernel] = w as [number, number, number, number];
  if (!Number.isInteger(groups) || groups < 1 || channels % groups !== 0)
    throw new ShapeError(`${op}: groups must divide the channels of x, got groups=${groups}, C=${channels}`);
  if (weightChannels !== channels)
    throw new ShapeError(`${op}: w must have the C = ${channels} channels of x first, got x:${formatShape(x)}, w:${formatShape(w)}`);
  if (kernel.some((size) => size < 1)) throw new ShapeError(`${op}: the kernel must be at least 1×1, got w:${formatShape(w)}`);
  if (added.some((pixels, axis) => pixels >= Math.max(strides[axis]!, dilations[axis]!)))
    throw new ShapeError(
      `${op}: outputPadding must be below the stride or below the dilation, got outputPadding [${added}], stride [${strides}], ` +
        `dilation [${dilations}]`,
    );
  if ((padding as Padding) === "same")
    throw new ShapeError(`${op}: padding "same" leaves the size of y open, got "same"; give numbers, and outputPadding`);
  const axes = [0, 1].map((axis) => ({ size: image[axis]!, kernel: kernel[axis]!, stride: strides[axis]!, dilation: dilations[axis]! }));
  const { top, left, bottom, right } = sidesOf(op, padding, axes as [WindowAxis, WindowAxis]);
  const omitted = [top + bottom, left + right];
  const [height, width] = axes.map(
    ({ size, kernel, stride, dilation }, axis) => (size - 1) * stride - omitted[axis]! + dilation * (kernel - 1) + added[axis]! + 1,
  ) as [number, number];
  if (image.includes(0) || height < 1 || width < 1)
    throw new ShapeError(
      `${op}: x and y must have pixels, got x:${formatShape(x)} → y:${formatShape([batch, groups * groupOutputs, height, width])}`,
    );
  return {
    batch,
    inChannels: groups * groupOutputs,
    outChannels: channels,
    groups,
    height,
    width,
    kernelHeight: kernel[0]!,
    kernelWidth: kernel[1]!,
    outHeight: image[0]!,
    outWidth: image[1]!,
    strideY: strides[0],
    strideX: strides[1],
    paddingY: top,
    paddingX: left,
    dilationY: dilations[0],
    dilationX: dilations[1],
  };
}
