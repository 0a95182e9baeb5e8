/**
 * Batch normalisation (Ioffe & Szegedy 2015, arXiv 1502.03167, algorithm 1) in two forms. `batchNormComposed` is composed of small ops: it
 * is easy to read, and it can be differentiated any number of times. `batchNorm` is one kernel forward and one kernel backward: it is fast.
 * The tests compare the two (docs/derivations/batch-norm.md).
 */

import { kernels } from "../backend/active.ts";
import type { NormGeometry } from "../backend/kernels.ts";
import { ShapeError } from "../core/errors.ts";
import { checkNumbers } from "../core/numbers.ts";
import { formatShape, sizeOf } from "../core/shape.ts";
import { isRecording, noGrad, record } from "../tape/tape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { add, multiply, reciprocalSqrt, subtract } from "./elementwise.ts";
import { checkFloating, output } from "./output.ts";
import { mean, variance } from "./reductions.ts";
import { reshape } from "./reshape.ts";
import { sum } from "./sum-and-broadcast.ts";

/**
 * The result y, and the mean μ and the biased variance σ² of the batch. The statistics are constants: they update the running statistics.
 */
export interface BatchNormResult {
  readonly y: Tensor;
  readonly mean: Tensor;
  readonly variance: Tensor;
}

/** The sizes of a normalisation of x. @throws ShapeError unless `gamma` and `beta` have one value for each channel of x. */
function normGeometry(op: string, x: Tensor, gamma: Tensor, beta: Tensor, epsilon: number): NormGeometry {
  checkFloating(op, x, gamma, beta);
  checkNumbers(op, { epsilon }, { least: 0 });
  const channels = x.shape[1];
  if (x.rank < 2 || formatShape(gamma.shape) !== `[${channels}]` || formatShape(beta.shape) !== `[${channels}]`)
    throw new ShapeError(
      `${op}: needs x:[N,C,…] and the other operands:[C], ` +
        `got ${formatShape(x.shape)}, ${formatShape(gamma.shape)}, ${formatShape(beta.shape)}`,
    );
  return { batch: x.shape[0]!, channels: channels!, inner: sizeOf(x.shape.slice(2)), epsilon };
}

/** Every axis except that of the channels: the axes that the statistics run over. */
const statisticAxes = (x: Tensor): number[] => x.shape.flatMap((_, axis) => (axis === 1 ? [] : [axis]));
/** A vector over the channels, in a shape that broadcasts against x. */
const perChannel = (vector: Tensor, x: Tensor): Tensor =>
  reshape(
    vector,
    x.shape.map((_, axis) => (axis === 1 ? vector.size : 1)),
  );

/**
 * `batchNorm` composed of small ops: the same value and the same gradients, at several times the cost.
 * @throws ShapeError as `batchNorm` does.
 */
export function batchNormComposed(x: Tensor, gamma: Tensor, beta: Tensor, epsilon = 1e-5): BatchNormResult {
  normGeometry("batchNorm", x, gamma, beta, epsilon);
  const [mu, sigma2] = [mean(x, { axes: statisticAxes(x) }), variance(x, { axes: statisticAxes(x), correction: 0 })];
  return { y: batchNormInference(x, gamma, beta, mu, sigma2, epsilon), mean: mu, variance: sigma2 };
}

/**
 * y = γ·(x − μ)/√(σ² + ε) + β. The mean μ and the biased variance σ² are those of x, for each channel, over all other axes. The default ε
 * is 1e-5. x:[N,C,…], γ:[C], β:[C] → y:[N,C,…]. VJP, with x̂ = (x − μ)/√(σ² + ε): β̄ = Σ ȳ, γ̄ = Σ ȳ·x̂, x̄ = γ/√(σ² + ε)·(ȳ − mean ȳ −
 * x̂·mean(ȳ·x̂)).
 * @throws ShapeError for x without channels, γ or β of another length, or dtypes that differ.
 */
export function batchNorm(x: Tensor, gamma: Tensor, beta: Tensor, epsilon = 1e-5): BatchNormResult {
  const geometry = normGeometry("batchNorm", x, gamma, beta, epsilon);
  const fused = kernels().batchNorm(x.storage, gamma.storage, beta.storage, geometry);
  const [mu, sigma2] = [output(gamma.shape, fused.mean), output(gamma.shape, fused.variance)];
  const vjp = (g: Tensor): Tensor[] =>
    isRecording() ? composedGradient(x, gamma, g, epsilon) : fusedGradient(x, gamma, mu, sigma2, g, geometry);
  return { y: record("batchNorm", { inputs: [x, gamma, beta], value: output(x.shape, fused.y), vjp }), mean: mu, variance: sigma2 };
}

/** The VJP as one kernel. Its result has no origin, so it serves only where nothing is recorded. */
function fusedGradient(x: Tensor, gamma: Tensor, mu: Tensor, sigma2: Tensor, g: Tensor, geometry: NormGeometry): Tensor[] {
  const gradient = kernels().batchNormGradient(x.storage, gamma.storage, mu.storage, sigma2.storage, g.storage, geometry);
  return [output(x.shape, gradient.x), output(gamma.shape, gradient.gamma), output(gamma.shape, gradient.beta)];
}

/** The VJP composed of ops. It computes μ and σ² from x again, because second derivatives must see that they depend on x. */
function composedGradient(x: Tensor, gamma: Tensor, g: Tensor, epsilon: number): Tensor[] {
  const axes = statisticAxes(x);
  const scale = reciprocalSqrt(add(variance(x, { axes, correction: 0, keepDims: true }), epsilon));
  const xHat = multiply(subtract(x, mean(x, { axes, keepDims: true })), scale);
  const product = multiply(g, xHat);
  const centred = subtract(subtract(g, mean(g, { axes, keepDims: true })), multiply(xHat, mean(product, { axes, keepDims: true })));
  return [multiply(multiply(centred, scale), perChannel(gamma, x)), sum(product, { axes }), sum(g, { axes })];
}

/**
 * y = γ·(x − μ)/√(σ² + ε) + β with given statistics, as in evaluation. The default ε is 1e-5.   x:[N,C,…], γ, β, μ, σ²:[C] → y:[N,C,…].
 * @throws ShapeError for x without channels, operands of another length, or dtypes that differ.
 */
export function batchNormInference(x: Tensor, gamma: Tensor, beta: Tensor, mu: Tensor, sigma2: Tensor, epsilon = 1e-5): Tensor {
  normGeometry("batchNormInference", x, gamma, beta, epsilon);
  normGeometry("batchNormInference", x, mu, sigma2, epsilon);
  const { scale, shift } = inferenceAffine(gamma, beta, mu, sigma2, epsilon);
  return add(multiply(x, perChannel(scale, x)), perChannel(shift, x));
}

/**
 * With given statistics, batch normalisation is s·x + t with the scale s = γ/√(σ² + ε) and the shift t = β − μ·s. All operands and results
 * are [C].
 */
export function inferenceAffine(gamma: Tensor, beta: Tensor, mu: Tensor, sigma2: Tensor, epsilon = 1e-5): { scale: Tensor; shift: Tensor } {
  const scale = multiply(gamma, reciprocalSqrt(add(sigma2, epsilon)));
  return { scale, shift: subtract(beta, multiply(mu, scale)) };
}

/**
 * The running statistics after a batch: (1 − momentum)·running + momentum·correction·batch. As in PyTorch, the variance takes Bessel's
 * correction and the mean takes none. The default correction is 1. The result has no origin.
 */
export function updateRunning(running: Tensor, batch: Tensor, momentum: number, correction = 1): Tensor {
  return noGrad(() => add(multiply(running, 1 - momentum), multiply(batch, momentum * correction)));
}

/**
 * Bessel's correction n/(n − 1) for the n values of each channel of x. It turns the biased variance into the unbiased one. For n = 1 it is
 * 1, because the variance of one value is 0.
 */
export const besselCorrection = (x: Tensor): number => {
  const count = x.size / Math.max(1, x.shape[1]!);
  return count > 1 ? count / (count - 1) : 1;
};
