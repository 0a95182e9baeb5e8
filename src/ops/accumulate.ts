/**
 * The product over axes, and the running sum along one axis. Both are composed of log₂ n rounds for n elements. A rounding error in them
 * grows with the number of rounds and not with n (docs/derivations/reductions.md).
 */

import { checkOptions } from "../core/options.ts";
import { normalizeAxes, normalizeAxis, sizeOf } from "../core/shape.ts";
import { differentiable } from "../tape/tape.ts";
import { scope } from "../tensor/scope.ts";
import { share, type Tensor } from "../tensor/tensor.ts";
import { add, multiply } from "./elementwise.ts";
import { concat, flip, permute, slice } from "./layout.ts";
import { checkFloating } from "./output.ts";
import { droppedShape, keptShape, type ReduceOptions, reduceOptions } from "./reduce-axes.ts";
import { reshape } from "./reshape.ts";
import { sum } from "./sum-and-broadcast.ts";

/** The elements of x from `start` up to `end` along one axis. */
const between = (x: Tensor, axis: number, start: number, end: number): Tensor =>
  slice(x, [...Array.from({ length: axis }, () => undefined), [start, end]]);

/** [m,n] → [m,1]. The first half is multiplied by the second half until one column is left. An odd column waits for the next round. */
function productOfRows(x: Tensor): Tensor {
  const columns = x.shape[1]!;
  if (columns === 1) return x;
  // The sum of no elements is 0, so this is 1.
  if (columns === 0) return add(sum(x, { axes: 1, keepDims: true }), 1);
  const half = Math.floor(columns / 2);
  const products = multiply(between(x, 1, 0, half), between(x, 1, half, 2 * half));
  return productOfRows(columns % 2 === 0 ? products : concat([products, between(x, 1, 2 * half, columns)], 1));
}

/**
 * y = Π x over `axes`, and 1 over no elements. An intermediate product may overflow where the whole product would not. Its VJP is that of
 * the multiplications that it is composed of, so elements of 0 need no special case.
 * @throws ShapeError for an int32 tensor, or axes that x does not have.
 */
export function prod(x: Tensor, options: ReduceOptions = {}): Tensor {
  checkOptions("prod", options, reduceOptions);
  checkFloating("prod", x);
  const axes = normalizeAxes("prod", options.axes, x.rank);
  const rest = x.shape.map((_, axis) => axis).filter((axis) => !axes.includes(axis));
  const shape = droppedShape(x.shape, axes);
  const rows = reshape(permute(x, [...rest, ...axes]), [sizeOf(shape), sizeOf(axes.map((axis) => x.shape[axis]!))]);
  return reshape(productOfRows(rows), options.keepDims ? keptShape(x.shape, axes) : shape);
}

/**
 * y_i = x_0 + x_1 + … + x_i along `axis`, by default the last. After round r each element is the sum of the 2^r elements up to it (Hillis &
 * Steele 1986). VJP: x̄ is the running sum of ȳ from the end.
 * @throws ShapeError for an int32 tensor, or an axis that x does not have.
 */
export const cumsum: (x: Tensor, axis?: number) => Tensor = differentiable("cumsum", (x: Tensor, axis = -1) => {
  checkFloating("cumsum", x);
  const along = normalizeAxis("cumsum", axis, x.rank);
  const size = x.shape[along]!;
  const value = scope(() => {
    let sums = share(x);
    for (let step = 1; step < size; step *= 2) {
      const later = add(between(sums, along, step, size), between(sums, along, 0, size - step));
      sums = concat([between(sums, along, 0, step), later], along);
    }
    return sums;
  });
  return { inputs: [x], value, vjp: [(g) => flip(cumsum(flip(g, [along]), along), [along])] };
});
