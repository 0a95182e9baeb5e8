/** `sum` and `broadcastTo`. They share a file because each is the VJP of the other: what broadcasting repeats, its gradient sums. */

import { kernels } from "../backend/active.ts";
import type { AxisSplit, ReduceOp } from "../backend/kernels.ts";
import { ShapeError } from "../core/errors.ts";
import { broadcastShapes, broadcastStrides, formatShape, normalizeAxes, type Shape, sameShape, sizeOf } from "../core/shape.ts";
import { differentiable } from "../tape/tape.ts";
import { share, type Tensor } from "../tensor/tensor.ts";
import { checkFloating, output } from "./output.ts";
import { reshape } from "./reshape.ts";

export interface ReduceOptions {
  /** Which axes to reduce; all of them by default. */
  readonly axes?: number | readonly number[];
  /** Leave each reduced axis in place with size 1. */
  readonly keepDims?: boolean;
}

export const keptShape = (shape: Shape, axes: readonly number[]): number[] => shape.map((size, axis) => (axes.includes(axis) ? 1 : size));
export const droppedShape = (shape: Shape, axes: readonly number[]): number[] => shape.filter((_, axis) => !axes.includes(axis));

export const splitAt = (shape: Shape, first: number, last: number = first): AxisSplit => ({
  outer: sizeOf(shape.slice(0, first)),
  axis: sizeOf(shape.slice(first, last + 1)),
  inner: sizeOf(shape.slice(last + 1)),
});

/** Reduces each run of adjacent axes in one pass, the last run first so that the axes before keep their numbers. */
export function reduceAxes(op: ReduceOp, x: Tensor, axes: readonly number[]): Tensor {
  let current = share(x);
  for (let last = axes.length - 1; last >= 0; ) {
    let first = last;
    while (first > 0 && axes[first - 1] === axes[first]! - 1) first--;
    const reduced = axes.slice(first, last + 1);
    const storage = kernels().reduce(op, current.storage, splitAt(current.shape, axes[first]!, axes[last]));
    current.dispose();
    current = output(droppedShape(current.shape, reduced), storage);
    last = first - 1;
  }
  return current;
}

/** y = Σ x over `axes`.   VJP: x̄ = ȳ repeated. */
export const sum: (x: Tensor, options?: ReduceOptions) => Tensor = differentiable("sum", (x: Tensor, options: ReduceOptions = {}) => {
  checkFloating("sum", x);
  const axes = normalizeAxes("sum", options.axes, x.rank);
  const kept = keptShape(x.shape, axes);
  const value = reduceAxes("sum", x, axes);
  return { inputs: [x], value: options.keepDims ? share(value, kept) : value, vjp: [(g) => broadcastTo(reshape(g, kept), x.shape)] };
});

/** x summed down to `shape`: the adjoint of broadcasting from `shape`. */
export function sumTo(x: Tensor, shape: Shape): Tensor {
  const missing = x.rank - shape.length;
  const axes = x.shape.flatMap((size, axis) => (axis < missing || (shape[axis - missing] === 1 && size !== 1) ? [axis] : []));
  return axes.length === 0 ? x : reshape(sum(x, { axes }), shape);
}

/** x repeated to `shape` by NumPy's broadcasting.   VJP: x̄ = ȳ summed over the repeats. @throws ShapeError */
export const broadcastTo: (x: Tensor, shape: Shape) => Tensor = differentiable("broadcastTo", (x: Tensor, shape: Shape) => {
  if (!sameShape(broadcastShapes("broadcastTo", x.shape, shape), shape))
    throw new ShapeError(`broadcastTo: ${formatShape(x.shape)} cannot grow to ${formatShape(shape)}`);
  const view = { shape, strides: broadcastStrides(x.shape, shape), offset: 0 };
  const value = sameShape(x.shape, shape) ? share(x) : output(shape, kernels().readView(x.storage, view));
  return { inputs: [x], value, vjp: [(g) => sumTo(g, x.shape)] };
});
