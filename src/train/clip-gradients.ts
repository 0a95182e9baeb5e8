/** Gradient clipping: steps that one extreme batch cannot make too large. */

import { ConfigError } from "../core/errors.ts";
import { add, clamp, divide, minimum, multiply, sqrt } from "../ops/elementwise.ts";
import { sum } from "../ops/sum-and-broadcast.ts";
import type { Tensor } from "../tensor/tensor.ts";

const checkLimit = (op: string, name: string, limit: number): void => {
  if (!(limit > 0)) throw new ConfigError(`${op}: ${name} must be above 0, got ${limit}`);
};

/** ‖g‖ = √(Σ_p Σ_i g_pi²), the norm of all gradients as one vector.   → [].   @throws ConfigError for no gradients. */
export function gradientNorm(gradients: readonly Tensor[]): Tensor {
  if (gradients.length === 0) throw new ConfigError("gradientNorm: needs at least one gradient, got none");
  return sqrt(gradients.map((g) => sum(multiply(g, g))).reduce(add));
}

/**
 * g·min(1, maxNorm/(‖g‖ + 1e-6)) for every gradient, where ‖g‖ is the norm of all gradients as one vector: PyTorch's `clip_grad_norm_`
 * (Pascanu, Mikolov & Bengio 2013, arXiv 1211.5063). The direction of the step stays.
 * @throws ConfigError for a maxNorm that is not above 0.
 */
export function clipGradients(gradients: readonly Tensor[], maxNorm: number): Tensor[] {
  checkLimit("clipGradients", "maxNorm", maxNorm);
  if (gradients.length === 0) return [];
  const factor = minimum(divide(maxNorm, add(gradientNorm(gradients), 1e-6)), 1);
  return gradients.map((g) => multiply(g, factor));
}

/**
 * Every element of every gradient clipped to [−limit, limit]: PyTorch's `clip_grad_value_`. @throws ConfigError for a limit not above 0.
 */
export function clipGradientValues(gradients: readonly Tensor[], limit: number): Tensor[] {
  checkLimit("clipGradientValues", "limit", limit);
  return gradients.map((g) => clamp(g, -limit, limit));
}
