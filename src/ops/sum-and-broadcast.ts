/**
 * `sum`, `broadcastTo`, and `sumTo`, which is the transpose of a broadcast.
 *
 * These ops share a file because each one is the other's VJP. `broadcastTo` repeats the elements of x. A repeated element affects the loss
 * through each of its copies, so its cotangent is the sum over the copies. `sum` adds up elements. Each of them affects the loss through
 * the same result, so they all have the cotangent of that result, and the cotangent is broadcast (docs/derivations/broadcasting.md). In two
 * files, the two ops would import each other.
 */

import { kernels } from "../backend/active.ts";
import { ShapeError } from "../core/errors.ts";
import { checkOptions } from "../core/options.ts";
import { broadcastShapes, broadcastStrides, checkShape, formatShape, normalizeAxes, type Shape, sameShape } from "../core/shape.ts";
import { differentiable } from "../tape/tape.ts";
import { share, type Tensor } from "../tensor/tensor.ts";
import { checkFloating, output } from "./output.ts";
import { keptShape, type ReduceOptions, reduceAxes, reduceOptions } from "./reduce-axes.ts";
import { reshape } from "./reshape.ts";

/** y = Σ x over `axes`.   VJP: x̄ = ȳ broadcast to the shape of x. @throws ShapeError for an int32 tensor, or axes that x does not have. */
export const sum: (x: Tensor, options?: ReduceOptions) => Tensor = differentiable("sum", (x: Tensor, options: ReduceOptions = {}) => {
  checkOptions("sum", options, reduceOptions);
  checkFloating("sum", x);
  const axes = normalizeAxes("sum", options.axes, x.rank);
  const kept = keptShape(x.shape, axes);
  const value = reduceAxes("sum", x, axes);
  return { inputs: [x], value: options.keepDims ? share(value, kept) : value, vjp: [(g) => broadcastTo(reshape(g, kept), x.shape)] };
});

/**
 * x repeated to `shape` by NumPy's rule. VJP: x̄ = sumTo(ȳ), the sum over the copies.
 * @throws ShapeError unless `shape` has sizes ≥ 0 that x broadcasts to.
 */
export const broadcastTo: (x: Tensor, shape: Shape) => Tensor = differentiable("broadcastTo", (x: Tensor, shape: Shape) => {
  checkShape("broadcastTo", shape);
  if (!sameShape(broadcastShapes("broadcastTo", x.shape, shape), shape))
    throw new ShapeError(
      `broadcastTo: each size of x must be 1 or that of the new shape, got ${formatShape(x.shape)} → ${formatShape(shape)}`,
    );
  const view = { shape, strides: broadcastStrides(x.shape, shape), offset: 0 };
  const value = sameShape(x.shape, shape) ? share(x) : output(shape, kernels().readView(x.storage, view));
  return { inputs: [x], value, vjp: [(g) => sumTo(g, x.shape)] };
});

/** The transpose of broadcasting from `shape`: x summed over every axis that broadcasting from `shape` to the shape of x repeats. */
export function sumTo(x: Tensor, shape: Shape): Tensor {
  if (sameShape(x.shape, shape)) return x;
  const missing = x.rank - shape.length;
  const axes = x.shape.flatMap((size, axis) => (axis < missing || (shape[axis - missing] === 1 && size !== 1) ? [axis] : []));
  return axes.length === 0 ? x : reshape(sum(x, { axes }), shape);
}
