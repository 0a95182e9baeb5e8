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
 *
 * An addend and an activation may follow in the same pass: y = activation(γ·x̂ + β + addend). The slope of the activation is known from y,
 * so the backward pass needs no mask.
 */

import { type HostMemory, viewOf } from "../host-storage.ts";
import type { Activation, ChannelGeometry, EpilogueStorages, Kernels } from "../kernels.ts";

/** activation(v), and v itself without an activation. */
const activate: Readonly<Record<Activation | "none", (v: number) => number>> = {
  none: (v) => v,
  relu: (v) => Math.max(v, 0),
  relu6: (v) => Math.min(Math.max(v, 0), 6),
};

/** Whether the activation has slope 1 where its result is y. */
const hasSlope: Readonly<Record<Activation, (y: number) => boolean>> = {
  relu: (y) => y > 0,
  relu6: (y) => y > 0 && y < 6,
};

/** The function that adds the addend's element at a position and applies the activation. */
function epilogue({ addend, activation }: EpilogueStorages = {}): (v: number, at: number) => number {
  const [addends, f] = [addend && viewOf(addend), activate[activation ?? "none"]];
  return addends ? (v, at) => f(v + addends[at]!) : f;
}

/** Visits the position in x of every element of channel c. */
function forEachOfChannel({ batch, channels, inner }: ChannelGeometry, c: number, visit: (at: number) => void): void {
  for (let n = 0; n < batch; n++) for (let i = 0; i < inner; i++) visit((n * channels + c) * inner + i);
}

export const batchNormKernels = (memory: HostMemory): Pick<Kernels, "channelAffine" | "batchNorm" | "batchNormGradient"> => ({
  channelAffine(x, scale, shift, geometry, then) {
    const y = memory.allocate(x.dtype, x.length);
    const [xs, scales, shifts, ys, finish] = [viewOf(x), viewOf(scale), viewOf(shift), y.view, epilogue(then)];
    for (let c = 0; c < geometry.channels; c++)
      forEachOfChannel(geometry, c, (at) => {
        ys[at] = finish(scales[c]! * xs[at]! + shifts[c]!, at);
      });
    return y;
  },

  batchNorm(x, gamma, beta, geometry, then) {
    const { batch, channels, inner, epsilon } = geometry;
    const y = memory.allocate(x.dtype, x.length);
    const mean = memory.allocate(x.dtype, channels);
    const variance = memory.allocate(x.dtype, channels);
    const [xs, gammas, betas, ys, finish] = [viewOf(x), viewOf(gamma), viewOf(beta), y.view, epilogue(then)];
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
        ys[at] = finish((gammas[c]! * (xs[at]! - mu)) / Math.sqrt(sigma2 + epsilon) + betas[c]!, at);
      });
      mean.view[c] = mu;
      variance.view[c] = sigma2;
    }
    return { y, mean, variance };
  },

  batchNormGradient(x, gamma, mean, variance, g, geometry, through) {
    const { batch, channels, inner, epsilon } = geometry;
    const count = batch * inner;
    const gradient = {
      x: memory.allocate(x.dtype, x.length),
      gamma: memory.allocate(x.dtype, channels),
      beta: memory.allocate(x.dtype, channels),
      ...(through?.addend ? { addend: memory.allocate(x.dtype, x.length) } : {}),
    };
    const [xs, gammas, means, variances] = [viewOf(x), viewOf(gamma), viewOf(mean), viewOf(variance)];
    // The cotangent of the normalised values before the activation.
    const [activated, slope] = [through && viewOf(through.y), through && hasSlope[through.activation]];
    const gs = activated && slope ? viewOf(g).map((value, at) => (slope(activated[at]!) ? value : 0)) : viewOf(g);
    gradient.addend?.view.set(gs);
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
