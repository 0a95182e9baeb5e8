/** Mean, variance, maximum and log-sum-exp over any axes, and the position of a maximum. `sum` is in sum-and-broadcast.ts. */

import { kernels } from "../backend/active.ts";
import { ShapeError } from "../core/errors.ts";
import { formatShape, normalizeAxes, normalizeAxis, sizeOf } from "../core/shape.ts";
import { detach, differentiable, noGrad } from "../tape/tape.ts";
import { share, type Tensor } from "../tensor/tensor.ts";
import { add, divide, equal, exp, log, multiply, subtract, where } from "./elementwise.ts";
import { checkFloating, output } from "./output.ts";
import { droppedShape, keptShape, type ReduceOptions, reduceAxes, splitAt } from "./reduce-axes.ts";
import { reshape } from "./reshape.ts";
import { sum } from "./sum-and-broadcast.ts";

/** The number of elements of x that meet in one element of the result. */
const countOf = (op: string, x: Tensor, options: ReduceOptions): number =>
  sizeOf(normalizeAxes(op, options.axes, x.rank).map((axis) => x.shape[axis]!));

/**
 * y = (1/n)·Σ x over the n elements along `axes`. NaN where n = 0.
 * @throws ShapeError for an int32 tensor, or axes that x does not have.
 */
export const mean = (x: Tensor, options: ReduceOptions = {}): Tensor => divide(sum(x, options), countOf("mean", x, options));

/**
 * y = Σ (x − mean)² / (n − correction) over the n elements along `axes`. The correction 1 gives the unbiased estimate and is the default.
 * The correction 0 gives the biased estimate. NaN where n ≤ correction.
 * @throws ShapeError for an int32 tensor, or axes that x does not have.
 */
export function variance(x: Tensor, { correction = 1, ...options }: ReduceOptions & { readonly correction?: number } = {}): Tensor {
  const centred = subtract(x, mean(x, { ...options, keepDims: true }));
  return divide(sum(multiply(centred, centred), options), Math.max(0, countOf("variance", x, options) - correction));
}

/**
 * y = max x over `axes`. It is NaN where any element is NaN, and −∞ over no elements. VJP: the elements that attain the maximum share ȳ
 * equally.
 * @throws ShapeError for an int32 tensor, or axes that x does not have.
 */
export const max: (x: Tensor, options?: ReduceOptions) => Tensor = differentiable("max", (x: Tensor, options: ReduceOptions = {}) => {
  checkFloating("max", x);
  const axes = normalizeAxes("max", options.axes, x.rank);
  const kept = keptShape(x.shape, axes);
  const value = reduceAxes("max", x, axes);
  const vjp = (g: Tensor): Tensor => {
    const attained = noGrad(() => equal(x, reshape(value, kept)));
    const slope = noGrad(() => divide(attained, sum(attained, { axes, keepDims: true })));
    return multiply(reshape(g, kept), slope);
  };
  return { inputs: [x], value: options.keepDims ? share(value, kept) : value, vjp: [vjp] };
});

/**
 * The position of the first maximum along `axis`, as int32. The default axis is the last. A NaN counts as the maximum. Not differentiable.
 * @throws ShapeError for an empty axis, or an axis that x does not have.
 */
export function argmax(x: Tensor, axis = -1): Tensor {
  const along = normalizeAxis("argmax", axis, x.rank);
  if (x.shape[along] === 0) throw new ShapeError(`argmax: the axis must not be empty, got ${formatShape(x.shape)}, axis ${along}`);
  return output(droppedShape(x.shape, [along]), kernels().argmax(x.storage, splitAt(x.shape, along)));
}

/** m = max x over `axes`, as a constant that keeps its axes. With it, exp(x − m) cannot overflow. */
export const constantMax = (x: Tensor, axes: readonly number[]): Tensor => noGrad(() => max(detach(x), { axes, keepDims: true }));

/** `constantMax`, or 0 where the maximum is not finite, because ∞ − ∞ is NaN. */
function finiteMax(x: Tensor, axes: readonly number[]): Tensor {
  return noGrad(() => {
    const top = constantMax(x, axes);
    return where(equal(subtract(top, top), 0), top, 0);
  });
}

/**
 * y = log Σ exp x over `axes`, computed as m + log Σ exp(x − m) with m = max x.
 * @throws ShapeError for an int32 tensor, or axes that x does not have.
 */
export function logSumExp(x: Tensor, options: ReduceOptions = {}): Tensor {
  const axes = normalizeAxes("logSumExp", options.axes, x.rank);
  const shift = finiteMax(x, axes);
  const kept = add(log(sum(exp(subtract(x, shift)), { axes, keepDims: true })), shift);
  return options.keepDims ? kept : reshape(kept, droppedShape(x.shape, axes));
}
