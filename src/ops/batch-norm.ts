/**
 * Batch normalisation (Ioffe & Szegedy 2015, arXiv 1502.03167, algorithm 1) in two forms. `batchNormComposed` is composed of small ops: it
 * is easy to read, and it can be differentiated any number of times. `batchNorm` is one kernel forward and one kernel backward: it is fast.
 * The kernels also add a residual and apply a ReLU (ops/epilogue.ts). The tests compare the two forms (docs/derivations/batch-norm.md).
 */

import { kernels } from "../backend/active.ts";
import { checkNumbers } from "../core/numbers.ts";
import { isRecording, noGrad, record } from "../tape/tape.ts";
import { share, type Tensor } from "../tensor/tensor.ts";
import { channelAffine, channelAffineComposed, channelGeometry, otherAxes, perChannel } from "./channel-affine.ts";
import { add, multiply, reciprocalSqrt, subtract } from "./elementwise.ts";
import { applyEpilogue, beforeActivation, checkEpilogue, type Epilogue, epilogueStorages } from "./epilogue.ts";
import { output } from "./output.ts";
import { mean, variance } from "./reductions.ts";
import { sum } from "./sum-and-broadcast.ts";

/**
 * The result y, and the mean μ and the biased variance σ² of the batch. The statistics are constants: they update the running statistics.
 */
export interface BatchNormResult {
  readonly y: Tensor;
  readonly mean: Tensor;
  readonly variance: Tensor;
  /** The running statistics after this batch, where they were given and the backend computes them with the norm. */
  readonly running?: Pick<RunningNorm, "mean" | "variance">;
}

/** Running statistics, mean:[C] and variance:[C], which a norm of the batch moves towards its own (`updateRunning`). */
export interface RunningNorm {
  readonly mean: Tensor;
  readonly variance: Tensor;
  readonly momentum: number;
  /** The factor of the batch's variance: Bessel's correction. */
  readonly correction: number;
}

/**
 * `batchNorm` composed of small ops: the same value and the same gradients, at several times the cost.
 * @throws ShapeError as `batchNorm` does.
 */
export function batchNormComposed(x: Tensor, gamma: Tensor, beta: Tensor, epsilon = 1e-5, then: Epilogue = {}): BatchNormResult {
  channelGeometry("batchNorm", x, gamma, beta);
  checkNumbers("batchNorm", { epsilon }, { least: 0 });
  checkEpilogue("batchNorm", x, then);
  const [mu, sigma2] = [mean(x, { axes: otherAxes(x) }), variance(x, { axes: otherAxes(x), correction: 0 })];
  const { scale, shift } = inferenceAffine(gamma, beta, mu, sigma2, epsilon);
  return { y: applyEpilogue(channelAffineComposed(x, scale, shift), then), mean: mu, variance: sigma2 };
}

/**
 * y = γ·(x − μ)/√(σ² + ε) + β, and then what `then` says: y = relu(γ·(x − μ)/√(σ² + ε) + β + addend). The mean μ and the biased variance σ²
 * are those of x, for each channel, over all other axes. The default ε is 1e-5. x:[N,C,…], γ:[C], β:[C] → y:[N,C,…]. VJP, with x̂ = (x −
 * μ)/√(σ² + ε) and v̄ = ȳ where the activation has slope 1, else 0: the addend's cotangent is v̄, β̄ = Σ v̄, γ̄ = Σ v̄·x̂, x̄ = γ/√(σ² +
 * ε)·(v̄ − mean v̄ − x̂·mean(v̄·x̂)). Running statistics are not changed: the result has the new ones, if the backend computes them with
 * the norm.
 * @throws ShapeError for x without channels, γ or β of another length, an addend of another shape, or dtypes that differ.
 */
export function batchNorm(
  x: Tensor,
  gamma: Tensor,
  beta: Tensor,
  epsilon = 1e-5,
  then: Epilogue = {},
  running?: RunningNorm,
): BatchNormResult {
  const geometry = { ...channelGeometry("batchNorm", x, gamma, beta), epsilon };
  if (running !== undefined) channelGeometry("batchNorm", x, running.mean, running.variance);
  checkNumbers("batchNorm", { epsilon }, { least: 0 });
  checkEpilogue("batchNorm", x, then);
  const { addend, activation } = then;
  const moving = running && { ...running, mean: running.mean.storage, variance: running.variance.storage };
  const fused = kernels().batchNorm(x.storage, gamma.storage, beta.storage, geometry, epilogueStorages(then), moving);
  const [value, mu, sigma2] = [output(x.shape, fused.y), output(gamma.shape, fused.mean), output(gamma.shape, fused.variance)];

  /** The VJP as one kernel. Its result has no origin, so it serves only where nothing is recorded. */
  const fusedGradient = (g: Tensor): Tensor[] => {
    const through = activation && { activation, y: value.storage, addend: addend !== undefined };
    const gradient = kernels().batchNormGradient(x.storage, gamma.storage, mu.storage, sigma2.storage, g.storage, geometry, through);
    const ofAddend = gradient.addend === undefined ? share(g) : output(x.shape, gradient.addend);
    return [output(x.shape, gradient.x), output(gamma.shape, gradient.gamma), output(gamma.shape, gradient.beta), ofAddend];
  };

  const vjp = (g: Tensor): Tensor[] => {
    if (!isRecording()) return fusedGradient(g);
    const before = beforeActivation(activation, value, g);
    return [...batchNormGradientComposed(x, gamma, before, epsilon), before];
  };
  const inputs = [x, gamma, beta, ...(addend === undefined ? [] : [addend])];
  const moved = fused.running && {
    running: { mean: output(gamma.shape, fused.running.mean), variance: output(gamma.shape, fused.running.variance) },
  };
  return { y: record("batchNorm", { inputs, value, vjp }), mean: mu, variance: sigma2, ...moved };
}

/**
 * The VJP composed of ops: the cotangents of x, γ and β. It computes μ and σ² from x again, because second derivatives must see that they
 * depend on x.
 */
export function batchNormGradientComposed(x: Tensor, gamma: Tensor, g: Tensor, epsilon: number): Tensor[] {
  const axes = otherAxes(x);
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
  channelGeometry("batchNormInference", x, gamma, beta);
  channelGeometry("batchNormInference", x, mu, sigma2);
  checkNumbers("batchNormInference", { epsilon }, { least: 0 });
  const { scale, shift } = inferenceAffine(gamma, beta, mu, sigma2, epsilon);
  return channelAffine(x, scale, shift);
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
