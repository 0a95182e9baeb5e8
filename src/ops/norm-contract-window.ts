/**
 * A norm of the batch, an activation, a depthwise window and products along the channels in two forms. `normContractWindowComposed` is two
 * ops. `normContractWindow` is one kernel forward and one backward on the backends that have them. It keeps nothing between the norm and the
 * window: the window computes that as it reads x, and the gradient computes it again. The tests compare the two forms
 * (docs/derivations/separable.md).
 */

import { kernels } from "../backend/active.ts";
import type { WindowOptions } from "../core/separable-geometry.ts";
import { isRecording, record } from "../tape/tape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type BatchNormResult, batchNorm, batchNormGradientComposed, type RunningNorm } from "./batch-norm.ts";
import { channelGeometry } from "./channel-affine.ts";
import type { Stage } from "./contract-channels.ts";
import { contractWindow, windowContraction } from "./contract-window.ts";
import { beforeActivation } from "./epilogue.ts";
import { checkPrecedingNorm, type PrecedingNorm } from "./norm-separable-convolution.ts";
import { output } from "./output.ts";

/**
 * `normContractWindow` as `batchNorm` and `contractWindow`: the same value and the same gradients. v is written, and kept for the gradient.
 * @throws ShapeError and ConfigError as `normContractWindow` does.
 */
export function normContractWindowComposed(
  x: Tensor,
  { gamma, beta, epsilon, activation }: PrecedingNorm,
  w: Tensor,
  stages: readonly Stage[],
  options: WindowOptions = {},
  running?: RunningNorm,
): BatchNormResult {
  const { y: v, ...statistics } = batchNorm(x, gamma, beta, epsilon, { activation }, running);
  return { y: contractWindow(v, w, stages, options), ...statistics };
}

/**
 * y = contractChannels(w ∗ v) with v = activation(γ·(x − μ)/√(σ² + ε) + β), and the mean μ and the biased variance σ² of each channel of x.
 * x:[N,C,H,W], γ:[C], β:[C], w:[C,1,Kh,Kw] → y:[N,C′,H′,W′]. VJP: those of `contractWindow` for v, and of `batchNorm` for the cotangent of v.
 * Running statistics are as in `batchNorm`.
 * @throws ShapeError for shapes, stages, options or dtypes that do not fit together, ConfigError for an unknown activation.
 */
export function normContractWindow(
  x: Tensor,
  norm: PrecedingNorm,
  w: Tensor,
  stages: readonly Stage[],
  options: WindowOptions = {},
  running?: RunningNorm,
): BatchNormResult {
  const { normContractWindow: forward, normContractWindowGradient: backward } = kernels();
  if (forward === undefined || backward === undefined) return normContractWindowComposed(x, norm, w, stages, options, running);
  const contraction = windowContraction("normContractWindow", x, w, stages, options);
  if (contraction === undefined) return normContractWindowComposed(x, norm, w, stages, options, running);
  const { gamma, beta, epsilon, activation } = norm;
  channelGeometry("normContractWindow", x, gamma, beta);
  checkPrecedingNorm("normContractWindow", norm);
  const { geometry, blocks, weights, shape } = contraction;
  const operands = { gamma: gamma.storage, beta: beta.storage, epsilon, activation };
  const fused = forward(x.storage, operands, w.storage, weights, geometry);
  const [mean, variance] = [output(gamma.shape, fused.mean), output(gamma.shape, fused.variance)];

  /** The VJP as one kernel. Its results have no origin, so it serves only where nothing is recorded. */
  const fusedGradient = (g: Tensor): Tensor[] => {
    const statistics = { mean: mean.storage, variance: variance.storage };
    const gradient = backward(x.storage, { ...operands, ...statistics }, w.storage, weights, g.storage, geometry);
    const ofNorm = [output(x.shape, gradient.x), output(gamma.shape, gradient.gamma), output(gamma.shape, gradient.beta)];
    return [...ofNorm, output(w.shape, gradient.w), ...gradient.weights.map((weight, s) => output(blocks[s]!.shape, weight))];
  };
  /** The VJP composed of ops, for gradients of gradients. */
  const composedGradient = (g: Tensor): Tensor[] => {
    const v = batchNorm(x, gamma, beta, epsilon, { activation }).y;
    const [ofV, ...others] = contraction.composedGradient(v, g);
    return [...batchNormGradientComposed(x, gamma, beforeActivation(activation, v, ofV!), epsilon), ...others];
  };

  const y = record("normContractWindow", {
    inputs: [x, gamma, beta, w, ...blocks],
    value: output(shape, fused.y),
    vjp: (g) => (isRecording() ? composedGradient(g) : fusedGradient(g)),
  });
  return { y, mean, variance };
}
