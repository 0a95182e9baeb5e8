/**
 * Batch normalisation (Ioffe & Szegedy 2015, arXiv 1502.03167, algorithm 1), twice: composed of small ops, to be read and to be differentiated any
 * number of times; and fused into one kernel each way, to be fast. The composed form is the fused one's oracle.
 */

import { kernels } from "../backend/active.ts";
import type { NormGeometry } from "../backend/kernels.ts";
import { ShapeError } from "../core/errors.ts";
import { formatShape } from "../core/shape.ts";
import { isRecording, noGrad, record } from "../tape/tape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { add, multiply, reciprocalSqrt, subtract } from "./elementwise.ts";
import { checkFloating, output } from "./output.ts";
import { mean, variance } from "./reductions.ts";
import { reshape } from "./reshape.ts";
import { sum } from "./sum-and-broadcast.ts";

/** y, and the batch's μ and biased σ² as constants, for the running statistics. */
export interface BatchNormResult {
  readonly y: Tensor;
  readonly mean: Tensor;
  readonly variance: Tensor;
}

function normGeometry(op: string, x: Tensor, gamma: Tensor, beta: Tensor, epsilon: number): NormGeometry {
  checkFloating(op, x, gamma, beta);
  const channels = x.shape[1];
  if (x.rank < 2 || formatShape(gamma.shape) !== `[${channels}]` || formatShape(beta.shape) !== `[${channels}]`)
    throw new ShapeError(
      `${op}: needs x:[N,C,…] and one value of each of the others per channel, got ${formatShape(x.shape)}, ${formatShape(gamma.shape)}, ${formatShape(beta.shape)}`,
    );
  return { batch: x.shape[0]!, channels: channels!, inner: x.shape.slice(2).reduce((product, size) => product * size, 1), epsilon };
}

/** Every axis but the channels'. */
const statisticAxes = (x: Tensor): number[] => x.shape.flatMap((_, axis) => (axis === 1 ? [] : [axis]));
/** A vector over channels, shaped to broadcast against x. */
const perChannel = (vector: Tensor, x: Tensor): Tensor =>
  reshape(
    vector,
    x.shape.map((_, axis) => (axis === 1 ? vector.size : 1)),
  );

/** batchNorm from sums and products: the same value and gradients, of any order, at several times the cost. */
export function batchNormComposed(x: Tensor, gamma: Tensor, beta: Tensor, epsilon = 1e-5): BatchNormResult {
  normGeometry("batchNorm", x, gamma, beta, epsilon);
  const [mu, sigma2] = [mean(x, { axes: statisticAxes(x) }), variance(x, { axes: statisticAxes(x), correction: 0 })];
  return { y: batchNormInference(x, gamma, beta, mu, sigma2, epsilon), mean: mu, variance: sigma2 };
}

/**
 * y = γ·(x − μ)/√(σ² + ε) + β, μ and σ² being the batch's own mean and biased variance over every axis but channels.
 * x:[N,C,…], γ, β:[C] → y:[N,C,…].   VJP, with x̂ = (x − μ)/√(σ² + ε): β̄ = Σ ȳ, γ̄ = Σ ȳ·x̂, x̄ = γ/√(σ² + ε)·(ȳ − mean ȳ − x̂·mean(ȳ·x̂)).
 * @throws ShapeError
 */
export function batchNorm(x: Tensor, gamma: Tensor, beta: Tensor, epsilon = 1e-5): BatchNormResult {
  const geometry = normGeometry("batchNorm", x, gamma, beta, epsilon);
  const fused = kernels().batchNorm(x.storage, gamma.storage, beta.storage, geometry);
  const [mu, sigma2] = [output(gamma.shape, fused.mean), output(gamma.shape, fused.variance)];
  const vjp = (g: Tensor): Tensor[] =>
    isRecording() ? composedGradient(x, gamma, g, epsilon) : fusedGradient(x, gamma, mu, sigma2, g, geometry);
  return { y: record("batchNorm", { inputs: [x, gamma, beta], value: output(x.shape, fused.y), vjp }), mean: mu, variance: sigma2 };
}

function fusedGradient(x: Tensor, gamma: Tensor, mu: Tensor, sigma2: Tensor, g: Tensor, geometry: NormGeometry): Tensor[] {
  const gradient = kernels().batchNormGradient(x.storage, gamma.storage, mu.storage, sigma2.storage, g.storage, geometry);
  return [output(x.shape, gradient.x), output(gamma.shape, gradient.gamma), output(gamma.shape, gradient.beta)];
}

/** The VJP of the docstring, μ and σ² recomputed from x so that second derivatives see them move. */
function composedGradient(x: Tensor, gamma: Tensor, g: Tensor, epsilon: number): Tensor[] {
  const axes = statisticAxes(x);
  const scale = reciprocalSqrt(add(variance(x, { axes, correction: 0, keepDims: true }), epsilon));
  const xHat = multiply(subtract(x, mean(x, { axes, keepDims: true })), scale);
  const gxHat = multiply(g, xHat);
  const centred = subtract(subtract(g, mean(g, { axes, keepDims: true })), multiply(xHat, mean(gxHat, { axes, keepDims: true })));
  return [multiply(multiply(centred, scale), perChannel(gamma, x)), sum(gxHat, { axes }), sum(g, { axes })];
}

/** y = γ·(x − μ)/√(σ² + ε) + β with given statistics: evaluation. x:[N,C,…], the rest [C]. @throws ShapeError */
export function batchNormInference(x: Tensor, gamma: Tensor, beta: Tensor, mu: Tensor, sigma2: Tensor, epsilon = 1e-5): Tensor {
  normGeometry("batchNormInference", x, gamma, beta, epsilon);
  normGeometry("batchNormInference", x, mu, sigma2, epsilon);
  const { scale, shift } = inferenceAffine(gamma, beta, mu, sigma2, epsilon);
  return add(multiply(x, perChannel(scale, x)), perChannel(shift, x));
}

/** With given statistics batch normalisation is s·x + t: s = γ/√(σ² + ε), t = β − μ·s.   All [C]. */
export function inferenceAffine(gamma: Tensor, beta: Tensor, mu: Tensor, sigma2: Tensor, epsilon = 1e-5): { scale: Tensor; shift: Tensor } {
  const scale = multiply(gamma, reciprocalSqrt(add(sigma2, epsilon)));
  return { scale, shift: subtract(beta, multiply(mu, scale)) };
}

/** Statistics after a batch: r ← (1 − momentum)·r + momentum·batch, the variance unbiased by n/(n − 1), as PyTorch keeps it. Unrecorded. */
export function updateRunning(running: Tensor, batch: Tensor, momentum: number, correction = 1): Tensor {
  return noGrad(() => add(multiply(running, 1 - momentum), multiply(batch, momentum * correction)));
}

/** n/(n − 1) for n values a channel; 1 where n = 1, since one value has no spread to correct. */
export const unbiased = (x: Tensor): number => {
  const count = x.size / Math.max(1, x.shape[1]!);
  return count > 1 ? count / (count - 1) : 1;
};
