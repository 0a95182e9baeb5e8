/** Max, average and global pooling over windows of the last two axes. */

import { kernels } from "../backend/active.ts";
import { type ConvolutionOptions, convolutionGeometry, type Pair } from "../core/convolution-geometry.ts";
import { ShapeError } from "../core/errors.ts";
import { formatShape } from "../core/shape.ts";
import { differentiable } from "../tape/tape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { reshape } from "./broadcast.ts";
import { conv2d } from "./convolution.ts";
import { full } from "./creation.ts";
import { scatterAdd } from "./indexing.ts";
import { checkFloating, output } from "./output.ts";
import { mean } from "./reductions.ts";

export interface PoolingOptions {
  /** Window size. */
  readonly kernel: Pair;
  /** Steps between windows; the window size by default. */
  readonly stride?: Pair;
  /** At most half the window, so that every window meets the image. */
  readonly padding?: Pair;
}

/** Pooling is a depthwise convolution in shape. */
function window(
  op: string,
  x: Tensor,
  { kernel, stride = kernel, padding = 0 }: PoolingOptions,
): { shape: [number, number]; options: ConvolutionOptions } {
  checkFloating(op, x);
  if (x.rank !== 4) throw new ShapeError(`${op}: needs x:[N,C,H,W], got ${formatShape(x.shape)}`);
  const both = (value: Pair): [number, number] => (typeof value === "number" ? [value, value] : [...value]);
  const [shape, border] = [both(kernel), both(padding)];
  if (border.some((width, axis) => width * 2 > shape[axis]!))
    throw new ShapeError(`${op}: padding must be at most half the window, got padding [${border}] for window [${shape}]`);
  return { shape, options: { stride, padding, groups: Math.max(1, x.shape[1]!) } };
}

const maxPool: (x: Tensor, options: PoolingOptions) => Tensor = differentiable("maxPool2d", (x: Tensor, options: PoolingOptions) => {
  const { shape, options: convolution } = window("maxPool2d", x, options);
  const geometry = convolutionGeometry("maxPool2d", x.shape, [x.shape[1]!, Math.min(1, x.shape[1]!), ...shape], convolution);
  const { values, indices } = kernels().maxPool2d(x.storage, geometry);
  const outShape = [geometry.batch, geometry.outChannels, geometry.outHeight, geometry.outWidth];
  const where = output(outShape, indices);
  return { inputs: [x], value: output(outShape, values), vjp: [(g) => reshape(scatterAdd(g, where, [x.size]), x.shape)] };
});

/** The largest value of each window (the first, at a tie).   x:[N,C,H,W] → y:[N,C,H′,W′].   VJP: ȳ goes to the value that won. @throws ShapeError */
export const maxPool2d = (x: Tensor, options: PoolingOptions): Tensor => maxPool(x, options);

/** The mean of each window, padding counting as zeros (PyTorch's default): a depthwise convolution by 1/(Kh·Kw). @throws ShapeError */
export function avgPool2d(x: Tensor, options: PoolingOptions): Tensor {
  const { shape, options: convolution } = window("avgPool2d", x, options);
  const weights = full([x.shape[1]!, Math.min(1, x.shape[1]!), ...shape], 1 / (shape[0] * shape[1]), { dtype: x.dtype });
  return conv2d(x, weights, convolution);
}

/** The mean of each channel: x:[N,C,H,W] → y:[N,C]. @throws ShapeError */
export function globalAvgPool2d(x: Tensor): Tensor {
  if (x.rank !== 4) throw new ShapeError(`globalAvgPool2d: needs x:[N,C,H,W], got ${formatShape(x.shape)}`);
  return mean(x, { axes: [2, 3] });
}
