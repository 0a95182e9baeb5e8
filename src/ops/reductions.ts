/**
 * Mean, variance, maximum, minimum and log-sum-exp over any axes, and the position of a maximum (docs/derivations/reductions.md). `sum` is
 * in sum-and-broadcast.ts.
 */

import { kernels } from "../backend/active.ts";
import { ShapeError } from "../core/errors.ts";
import { checkNumbers } from "../core/numbers.ts";
import { checkOptions, type OptionNames } from "../core/options.ts";
import { formatShape, normalizeAxes, normalizeAxis, sizeOf } from "../core/shape.ts";
import { detach, differentiable, noGrad } from "../tape/tape.ts";
import { scope } from "../tensor/scope.ts";
import { share, type Tensor } from "../tensor/tensor.ts";
import { add, divide, equal, exp, isFinite as isFiniteElement, log, multiply, negate, subtract, where } from "./elementwise.ts";
import { checkFloating, output } from "./output.ts";
import { droppedShape, keptShape, type ReduceOptions, reduceAxes, reduceOptions, splitAt } from "./reduce-axes.ts";
import { reshape } from "./reshape.ts";
import { sum } from "./sum-and-broadcast.ts";

/** The names of the options of `variance`. */
const varianceOptions: OptionNames = { ...reduceOptions, correction: true };

/** The number of elements of x that meet in one element of the result. */
const countOf = (op: string, x: Tensor, options: ReduceOptions): number =>
  sizeOf(normalizeAxes(op, options.axes, x.rank).map((axis) => x.shape[axis]!));

/**
 * y = (1/n)·Σ x over the n elements along `axes`. NaN where n = 0.
 * @throws ShapeError for an int32 tensor, or axes that x does not have.
 */
export function mean(x: Tensor, options: ReduceOptions = {}): Tensor {
  checkOptions("mean", options, reduceOptions);
  return divide(sum(x, options), countOf("mean", x, options));
}

/**
 * y = Σ (x − mean)² / (n − correction) over the n elements along `axes`. The correction 1 gives the unbiased estimate and is the default.
 * The correction 0 gives the biased estimate. NaN where n ≤ correction.
 * @throws ShapeError for an int32 tensor, or axes that x does not have.
 */
export function variance(x: Tensor, allOptions: ReduceOptions & { readonly correction?: number } = {}): Tensor {
  checkOptions("variance", allOptions, varianceOptions);
  const { correction = 1, ...options } = allOptions;
  checkNumbers("variance", { correction }, { least: 0 });
  const centred = subtract(x, mean(x, { ...options, keepDims: true }));
  return divide(sum(multiply(centred, centred), options), Math.max(0, countOf("variance", x, options) - correction));
}

/** `max` or `min`, from the function that computes its value. */
const extremum = (op: string, compute: (x: Tensor, axes: readonly number[]) => Tensor): ((x: Tensor, options?: ReduceOptions) => Tensor) =>
  differentiable(op, (x: Tensor, options: ReduceOptions = {}) => {
    checkOptions(op, options, reduceOptions);
    checkFloating(op, x);
    const axes = normalizeAxes(op, options.axes, x.rank);
    const kept = keptShape(x.shape, axes);
    const value = compute(x, axes);
    const vjp = (g: Tensor): Tensor => {
      const attained = noGrad(() => equal(x, reshape(value, kept)));
      const slope = noGrad(() => divide(attained, sum(attained, { axes, keepDims: true })));
      return multiply(reshape(g, kept), slope);
    };
    return { inputs: [x], value: options.keepDims ? share(value, kept) : value, vjp: [vjp] };
  });

/**
 * y = max x over `axes`. It is NaN where any element is NaN, and −∞ over no elements. VJP: the elements that attain the maximum share ȳ
 * equally.
 * @throws ShapeError for an int32 tensor, or axes that x does not have.
 */
export const max = extremum("max", (x, axes) => reduceAxes("max", x, axes));

/**
 * y = min x over `axes`, computed as −max(−x). It is NaN where any element is NaN, and ∞ over no elements. VJP: the elements that attain
 * the minimum share ȳ equally.
 * @throws ShapeError for an int32 tensor, or axes that x does not have.
 */
export const min = extremum("min", (x, axes) => scope(() => negate(reduceAxes("max", negate(x), axes))));

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
    return where(isFiniteElement(top), top, 0);
  });
}

/**
 * y = log Σ exp x over `axes`, computed as m + log Σ exp(x − m) with m = max x.
 * @throws ShapeError for an int32 tensor, or axes that x does not have.
 */
export function logSumExp(x: Tensor, options: ReduceOptions = {}): Tensor {
  checkOptions("logSumExp", options, reduceOptions);
  const axes = normalizeAxes("logSumExp", options.axes, x.rank);
  const shift = finiteMax(x, axes);
  const kept = add(log(sum(exp(subtract(x, shift)), { axes, keepDims: true })), shift);
  return options.keepDims ? kept : reshape(kept, droppedShape(x.shape, axes));
}
