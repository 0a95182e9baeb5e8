/**
 * Softmax and its logarithm. Both subtract the maximum first, so that no exponential overflows (docs/derivations/cross-entropy.md). Where
 * the maximum is ∞, −∞ or NaN, the difference is NaN for at least one element, and the sum makes the whole line NaN.
 */

import { normalizeAxis } from "../core/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { divide, exp, log, subtract } from "./elementwise.ts";
import { constantMax } from "./reductions.ts";
import { sum } from "./sum-and-broadcast.ts";

/**
 * y_i = e^{x_i} / Σ_j e^{x_j} along `axis`, by default the last. A line with a NaN or with ∞, or with nothing but −∞, is NaN (as in
 * PyTorch).
 * @throws ShapeError for an int32 tensor, or an axis that x does not have.
 */
export function softmax(x: Tensor, axis = -1): Tensor {
  const axes = [normalizeAxis("softmax", axis, x.rank)];
  const powers = exp(subtract(x, constantMax(x, axes)));
  return divide(powers, sum(powers, { axes, keepDims: true }));
}

/**
 * y_i = x_i − log Σ_j e^{x_j} along `axis`, by default the last. It is NaN where softmax is.
 * @throws ShapeError for an int32 tensor, or an axis that x does not have.
 */
export function logSoftmax(x: Tensor, axis = -1): Tensor {
  const axes = [normalizeAxis("logSoftmax", axis, x.rank)];
  const shifted = subtract(x, constantMax(x, axes));
  return subtract(shifted, log(sum(exp(shifted), { axes, keepDims: true })));
}
