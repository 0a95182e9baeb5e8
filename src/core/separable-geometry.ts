/** The sizes of a separable convolution: a depthwise window, and a map of the channels behind it. */

import { type ConvolutionGeometry, type ConvolutionOptions, convolutionGeometry, convolutionMultiplyAdds } from "./convolution-geometry.ts";
import { ShapeError } from "./errors.ts";
import { type OptionNames, optionNames } from "./options.ts";
import { formatShape, type Shape } from "./shape.ts";

/** Everything that a kernel needs to know. x:[N,C,H,W], w:[C,1,Kh,Kw], P:[O,C] → y:[N,O,outHeight,outWidth]. */
export interface SeparableGeometry {
  /** The depthwise convolution of x with w: its groups, its input channels and its output channels are all C. */
  readonly window: ConvolutionGeometry;
  /** O. */
  readonly outChannels: number;
}

/** The options of the window. It has one group for each channel. */
export type WindowOptions = Omit<ConvolutionOptions, "groups">;

/** The names of `WindowOptions`. */
export const windowOptions: OptionNames = optionNames<WindowOptions>({ stride: true, padding: true, dilation: true });

/** @throws ShapeError when the ranks, the channels or the options do not fit together, or when the window does not fit into the image. */
export function separableGeometry(op: string, x: Shape, w: Shape, map: Shape, options: WindowOptions = {}): SeparableGeometry {
  const channels = x[1]!;
  if (x.length !== 4 || w.length !== 4 || w[0] !== channels || w[1] !== 1 || map.length !== 2 || map[1] !== channels)
    throw new ShapeError(
      `${op}: needs x:[N,C,H,W], w:[C,1,Kh,Kw] and P:[O,C], got x:${formatShape(x)}, w:${formatShape(w)} and P:${formatShape(map)}`,
    );
  // Without channels there is one empty group.
  const groups = Math.max(1, channels);
  const weight = [channels, channels / groups, ...w.slice(2)];
  return { window: convolutionGeometry(op, x, weight, { ...options, groups }), outChannels: map[0]! };
}

/** The 1×1 convolution with P of what the window computes. */
export function mapGeometry({ window, outChannels }: SeparableGeometry): ConvolutionGeometry {
  const { batch, outChannels: inChannels, outHeight, outWidth } = window;
  const pixel = {
    groups: 1,
    kernelHeight: 1,
    kernelWidth: 1,
    strideY: 1,
    strideX: 1,
    paddingY: 0,
    paddingX: 0,
    dilationY: 1,
    dilationX: 1,
  };
  return { ...pixel, batch, inChannels, outChannels, height: outHeight, width: outWidth, outHeight, outWidth };
}

/** The multiply-adds of the window and of the map: N·H′·W′·C·(Kh·Kw + O). */
export const separableMultiplyAdds = (g: SeparableGeometry): number =>
  convolutionMultiplyAdds(g.window) + convolutionMultiplyAdds(mapGeometry(g));
