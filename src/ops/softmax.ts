/** Softmax and its logarithm, shifted by the maximum so that no exponential overflows. */

import { normalizeAxis } from "../core/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { divide, exp, log, subtract } from "./elementwise.ts";
import { stableShift } from "./reductions.ts";
import { sum } from "./sum-and-broadcast.ts";

/** y_i = e^{x_i} / Σ_j e^{x_j} along `axis`. @throws ShapeError */
export function softmax(x: Tensor, axis = -1): Tensor {
  const axes = [normalizeAxis("softmax", axis, x.rank)];
  const powers = exp(subtract(x, stableShift(x, axes)));
  return divide(powers, sum(powers, { axes, keepDims: true }));
}

/** y_i = x_i − log Σ_j e^{x_j} along `axis`. @throws ShapeError */
export function logSoftmax(x: Tensor, axis = -1): Tensor {
  const axes = [normalizeAxis("logSoftmax", axis, x.rank)];
  const shifted = subtract(x, stableShift(x, axes));
  return subtract(shifted, log(sum(exp(shifted), { axes, keepDims: true })));
}
