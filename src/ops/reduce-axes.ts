/** What every reduction needs: its options, the shapes that it leaves, and the loop that reduces the axes by kernel calls. */

import { kernels } from "../backend/active.ts";
import type { AxisSplit, ReduceOp } from "../backend/kernels.ts";
import { type OptionNames, optionNames } from "../core/options.ts";
import { type Shape, sizeOf } from "../core/shape.ts";
import { share, type Tensor } from "../tensor/tensor.ts";
import { output } from "./output.ts";

/** The options of `sum`, `mean`, `max`, `variance` and `logSumExp`. */
export interface ReduceOptions {
  /** The axes to reduce. Default: all of them. */
  readonly axes?: number | readonly number[];
  /** Whether each reduced axis stays in the shape, with size 1. Default: false. */
  readonly keepDims?: boolean;
}

/** The names of `ReduceOptions`. */
export const reduceOptions: OptionNames = optionNames<ReduceOptions>({ axes: true, keepDims: true });

/** The shape with size 1 in place of each of `axes`. */
export const keptShape = (shape: Shape, axes: readonly number[]): number[] => shape.map((size, axis) => (axes.includes(axis) ? 1 : size));

/** The shape without `axes`. */
export const droppedShape = (shape: Shape, axes: readonly number[]): number[] => shape.filter((_, axis) => !axes.includes(axis));

/** The shape as three sizes [outer, axis, inner], where the axes from `first` to `last` count as one axis. */
export const splitAt = (shape: Shape, first: number, last: number = first): AxisSplit => ({
  outer: sizeOf(shape.slice(0, first)),
  axis: sizeOf(shape.slice(first, last + 1)),
  inner: sizeOf(shape.slice(last + 1)),
});

/**
 * Reduces x over the sorted `axes` and drops them. Each run of adjacent axes is one kernel call. The last run comes first, so that the axes
 * before it keep their numbers.
 */
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
