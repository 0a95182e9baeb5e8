/**
 * A norm of the batch, an activation and a separable convolution in two forms: y = P·(w ∗ v) + addend with v = activation(norm(x)).
 * `normSeparableConv2dComposed` is two ops. `normSeparableConv2d` is one kernel forward and one backward on the backends that have them. It
 * keeps no v: the window computes v as it reads x, and the gradient computes it again. The tests compare the two forms
 * (docs/derivations/separable.md).
 */

import { kernels } from "../backend/active.ts";
import { type Activation, activations } from "../backend/kernels.ts";
import { ConfigError } from "../core/errors.ts";
import { checkNumbers } from "../core/numbers.ts";
import type { SeparableGeometry, WindowOptions } from "../core/separable-geometry.ts";
import { isRecording, record } from "../tape/tape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type BatchNormResult, batchNorm, batchNormGradientComposed, type RunningNorm } from "./batch-norm.ts";
import { channelGeometry } from "./channel-affine.ts";
import { beforeActivation } from "./epilogue.ts";
import { output } from "./output.ts";
import { checkedGeometry, checkedShape, separableConv2d, separableGradientComposed } from "./separable-convolution.ts";

/** The norm before the convolution, with its activation. γ:[C], β:[C]. */
export interface PrecedingNorm {
  readonly gamma: Tensor;
  readonly beta: Tensor;
  readonly epsilon: number;
  readonly activation: Activation;
}

/** @throws ConfigError for an ε out of range and for an unknown activation. */
export function checkPrecedingNorm(op: string, { epsilon, activation }: PrecedingNorm): void {
  checkNumbers(op, { epsilon }, { least: 0 });
  if (!activations.includes(activation))
    throw new ConfigError(`${op}: activation must be ${activations.join(" or ")}, got ${String(activation)}`);
}

/**
 * `normSeparableConv2d` as `batchNorm` and `separableConv2d`: the same value and the same gradients. v is written, and kept for the gradient.
 * @throws ShapeError and ConfigError as `normSeparableConv2d` does.
 */
export function normSeparableConv2dComposed(
  x: Tensor,
  { gamma, beta, epsilon, activation }: PrecedingNorm,
  w: Tensor,
  map: Tensor,
  options: WindowOptions = {},
  addend?: Tensor,
  running?: RunningNorm,
): BatchNormResult {
  const { y: v, ...statistics } = batchNorm(x, gamma, beta, epsilon, { activation }, running);
  return { y: separableConv2d(v, w, map, options, addend), ...statistics };
}

/**
 * y = P·(w ∗ v) + addend with v = activation(γ·(x − μ)/√(σ² + ε) + β), and the mean μ and the biased variance σ² of each channel of x.
 * Default: nothing is added. x:[N,C,H,W], γ:[C], β:[C], w:[C,1,Kh,Kw], P:[O,C], addend:[N,O,H′,W′] → y:[N,O,H′,W′]. VJP: those of
 * `separableConv2d` for v, and of `batchNorm` for the cotangent of v. Running statistics are as in `batchNorm`.
 * @throws ShapeError for shapes, options or dtypes that do not fit together, ConfigError for an unknown activation.
 */
export function normSeparableConv2d(
  x: Tensor,
  norm: PrecedingNorm,
  w: Tensor,
  map: Tensor,
  options: WindowOptions = {},
  addend?: Tensor,
  running?: RunningNorm,
): BatchNormResult {
  const { gamma, beta, epsilon, activation } = norm;
  const { normSeparableConv2d: forward, normSeparableConv2dGradient: backward } = kernels();
  if (forward === undefined || backward === undefined) return normSeparableConv2dComposed(x, norm, w, map, options, addend, running);
  const geometry = checkedGeometry("normSeparableConv2d", x, w, map, options);
  const shape = checkedShape("normSeparableConv2d", x, geometry, addend);
  channelGeometry("normSeparableConv2d", x, gamma, beta);
  checkPrecedingNorm("normSeparableConv2d", norm);
  const operands = { gamma: gamma.storage, beta: beta.storage, epsilon, activation };
  const fused = forward(x.storage, operands, w.storage, map.storage, geometry, addend?.storage);
  const [mean, variance] = [output(gamma.shape, fused.mean), output(gamma.shape, fused.variance)];

  /** The VJP as one kernel. Its results have no origin, so it serves only where nothing is recorded. */
  const fusedGradient = (g: Tensor): Tensor[] => {
    const statistics = { mean: mean.storage, variance: variance.storage };
    const gradient = backward(x.storage, { ...operands, ...statistics }, w.storage, map.storage, g.storage, geometry);
    const ofNorm = [output(x.shape, gradient.x), output(gamma.shape, gradient.gamma), output(gamma.shape, gradient.beta)];
    return [...ofNorm, output(w.shape, gradient.w), output(map.shape, gradient.map)];
  };

  const y = record("normSeparableConv2d", {
    inputs: [x, gamma, beta, w, map, ...(addend === undefined ? [] : [addend])],
    value: output(shape, fused.y),
    vjp: (g) => {
      const ofOperands = isRecording() ? composedGradient(x, norm, w, map, g, geometry) : fusedGradient(g);
      return addend === undefined ? ofOperands : [...ofOperands, g];
    },
  });
  return { y, mean, variance };
}

/** The VJP composed of ops, for gradients of gradients. */
function composedGradient(x: Tensor, norm: PrecedingNorm, w: Tensor, map: Tensor, g: Tensor, geometry: SeparableGeometry): Tensor[] {
  const { gamma, beta, epsilon, activation } = norm;
  const v = batchNorm(x, gamma, beta, epsilon, { activation }).y;
  const [ofV, ...ofConvolution] = separableGradientComposed(v, w, map, g, geometry) as [Tensor, Tensor, Tensor];
  return [...batchNormGradientComposed(x, gamma, beforeActivation(activation, v, ofV), epsilon), ...ofConvolution];
}
