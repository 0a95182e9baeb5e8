/**
 * Batch normalisation (Ioffe & Szegedy 2015, arXiv 1502.03167). Each channel is normalised on its own, over its M = batch·inner elements:
 *
 *     μ = mean(x)    σ² = mean((x − μ)²)    x̂ = (x − μ)/√(σ² + ε)    y = γ·x̂ + β
 *
 * This file teaches the gradient. Each x also moves μ and σ². Because of μ, the mean of the cotangent g is subtracted. Because of σ², the
 * part of g along x̂ is subtracted (docs/derivations/batch-norm.md):
 *
 *     β̄ = Σ g    γ̄ = Σ g·x̂    x̄ = γ/√(σ² + ε) · (g − β̄/M − x̂·γ̄/M)
 *
 * A channel without elements has no mean, so its statistics are NaN.
 */

import { type HostMemory, viewOf } from "../host-storage.ts";
import type { Kernels, NormGeometry } from "../kernels.ts";

/** Visits the position in x of every element of channel c. */
function forEachOfChannel({ batch, channels, inner }: NormGeometry, c: number, visit: (at: number) => void): void {
  for (let n = 0; n < batch; n++) for (let i = 0; i < inner; i++) visit((n * channels + c) * inner + i);
}

export const batchNormKernels = (memory: HostMemory): Pick<Kernels, "batchNorm" | "batchNormGradient"> => ({
  batchNorm(x, gamma, beta, geometry) {
    const { batch, channels, inner, epsilon } = geometry;
    const y = memory.allocate(x.dtype, x.length);
    const mean = memory.allocate(x.dtype, channels);
    const variance = memory.allocate(x.dtype, channels);
    const [xs, gammas, betas, ys] = [viewOf(x), viewOf(gamma), viewOf(beta), y.view];
    for (let c = 0; c < channels; c++) {
      let sum = 0;
      forEachOfChannel(geometry, c, (at) => {
        sum += xs[at]!;
      });
      const mu = sum / (batch * inner);
      // The variance takes a second pass over x. The formula E[x²] − μ² needs only one, but it cancels if μ is much larger than σ.
      let squares = 0;
      forEachOfChannel(geometry, c, (at) => {
        squares += (xs[at]! - mu) ** 2;
      });
      const sigma2 = squares / (batch * inner);
      forEachOfChannel(geometry, c, (at) => {
        ys[at] = (gammas[c]! * (xs[at]! - mu)) / Math.sqrt(sigma2 + epsilon) + betas[c]!;
      });
      mean.view[c] = mu;
      variance.view[c] = sigma2;
    }
    return { y, mean, variance };
  },

  batchNormGradient(x, gamma, mean, variance, g, geometry) {
    const { batch, channels, inner, epsilon } = geometry;
    const count = batch * inner;
    const gradient = {
      x: memory.allocate(x.dtype, x.length),
      gamma: memory.allocate(x.dtype, channels),
      beta: memory.allocate(x.dtype, channels),
    };
    const [xs, gammas, means, variances, gs] = [viewOf(x), viewOf(gamma), viewOf(mean), viewOf(variance), viewOf(g)];
    const gradientX = gradient.x.view;
    for (let c = 0; c < channels; c++) {
      const scale = 1 / Math.sqrt(variances[c]! + epsilon);
      const normalized = (at: number): number => (xs[at]! - means[c]!) * scale;
      let gradientBeta = 0;
      let gradientGamma = 0;
      forEachOfChannel(geometry, c, (at) => {
        gradientBeta += gs[at]!;
        gradientGamma += gs[at]! * normalized(at);
      });
      forEachOfChannel(geometry, c, (at) => {
        gradientX[at] = gammas[c]! * scale * (gs[at]! - gradientBeta / count - (normalized(at) * gradientGamma) / count);
      });
      gradient.gamma.view[c] = gradientGamma;
      gradient.beta.view[c] = gradientBeta;
    }
    return gradient;
  },
});
