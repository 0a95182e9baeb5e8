/** Means, variances, maxima and log-sum-exp over any axes. */

import { kernels } from "../backend/active.ts";
import { ShapeError } from "../core/errors.ts";
import { formatShape, normalizeAxes, normalizeAxis } from "../core/shape.ts";
import { detach, differentiable, noGrad } from "../tape/tape.ts";
import { share, type Tensor } from "../tensor/tensor.ts";
import { add, divide, equal, exp, log, multiply, subtract, where } from "./elementwise.ts";
import { checkFloating, output } from "./output.ts";
import { reshape } from "./reshape.ts";
import { droppedShape, keptShape, type ReduceOptions, reduceAxes, splitAt, sum } from "./sum-and-broadcast.ts";

/** Number of elements each reduction runs over. */
const countOf = (x: Tensor, options: ReduceOptions, op: string): number =>
  normalizeAxes(op, options.axes, x.rank).reduce((count, axis) => count * x.shape[axis]!, 1);

/** y = (1/n) Σ x over `axes`. */
export const mean = (x: Tensor, options: ReduceOptions = {}): Tensor => divide(sum(x, options), countOf(x, options, "mean"));

/** y = Σ (x − mean)² / (n − correction): correction 1 is the unbiased estimate, 0 the biased one. NaN where n ≤ correction. */
export function variance(x: Tensor, { correction = 1, ...options }: ReduceOptions & { readonly correction?: number } = {}): Tensor {
  const centred = subtract(x, mean(x, { ...options, keepDims: true }));
  return divide(sum(multiply(centred, centred), options), Math.max(0, countOf(x, options, "variance") - correction));
}

/** y = max x over `axes`.   VJP: x̄ = ȳ shared equally among the elements that attain it. */
export const max: (x: Tensor, options?: ReduceOptions) => Tensor = differentiable("max", (x: Tensor, options: ReduceOptions = {}) => {
  checkFloating("max", x);
  const axes = normalizeAxes("max", options.axes, x.rank);
  const kept = keptShape(x.shape, axes);
  const value = reduceAxes("max", x, axes);
  const vjp = (g: Tensor): Tensor => {
    const attained = noGrad(() => equal(x, reshape(value, kept)));
    const portion = noGrad(() => divide(attained, sum(attained, { axes, keepDims: true })));
    return multiply(reshape(g, kept), portion);
  };
  return { inputs: [x], value: options.keepDims ? share(value, kept) : value, vjp: [vjp] };
});

/** int32 position of the first maximum along `axis`. Not differentiable. @throws ShapeError for an empty axis. */
export function argmax(x: Tensor, axis = -1): Tensor {
  const along = normalizeAxis("argmax", axis, x.rank);
  if (x.shape[along] === 0) throw new ShapeError(`argmax: the axis must not be empty, got ${formatShape(x.shape)}, axis ${along}`);
  return output(droppedShape(x.shape, [along]), kernels().argmax(x.storage, splitAt(x.shape, along)));
}

/** max of x over `axes` as a constant, 0 where it is infinite: the shift that keeps exp from overflowing. */
export function stableShift(x: Tensor, axes: readonly number[]): Tensor {
  return noGrad(() => {
    const top = max(detach(x), { axes, keepDims: true });
    return where(equal(subtract(top, top), 0), top, 0);
  });
}

/** y = log Σ exp x over `axes`, computed as m + log Σ exp(x − m) with m = max x. */
export function logSumExp(x: Tensor, options: ReduceOptions = {}): Tensor {
  const axes = normalizeAxes("logSumExp", options.axes, x.rank);
  const shift = stableShift(x, axes);
  const kept = add(log(sum(exp(subtract(x, shift)), { axes, keepDims: true })), shift);
  return options.keepDims ? kept : reshape(kept, droppedShape(x.shape, axes));
}
