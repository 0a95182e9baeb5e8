/**
 * A depthwise window, and products along the channels behind it: what a structured convolution is made of
 * (docs/derivations/contractions.md).
 */

import { kernels } from "../backend/active.ts";
import type { WindowStagesGeometry } from "../backend/kernels.ts";
import { convolutionGeometry } from "../core/convolution-geometry.ts";
import type { WindowOptions } from "../core/separable-geometry.ts";
import type { Shape } from "../core/shape.ts";
import { isRecording, record } from "../tape/tape.ts";
import type { Storage } from "../tensor/storage.ts";
import type { Tensor, Vjp } from "../tensor/tensor.ts";
import { contractChannels, type Stage, stagesOperands } from "./contract-channels.ts";
import { conv2d } from "./convolution.ts";
import { checkFloating, output } from "./output.ts";
import { reshape } from "./reshape.ts";

/** What the kernels of a window with its stages take. */
interface WindowContraction {
  readonly geometry: WindowStagesGeometry;
  /** The weights of the stages as [blocks, outputs, inputs]. */
  readonly blocks: readonly Tensor[];
  readonly weights: readonly Storage[];
  /** Of the result. */
  readonly shape: Shape;
  /** The VJP composed of ops: the cotangents of x, of w and of each of the blocks. */
  composedGradient(x: Tensor, g: Tensor): Tensor[];
}

/**
 * Undefined where nothing is to be computed, for which the kernels have no case.
 * @throws ShapeError for shapes, stages and options that do not fit together.
 */
export function windowContraction(
  op: string,
  x: Tensor,
  w: Tensor,
  stages: readonly Stage[],
  options: WindowOptions,
): WindowContraction | undefined {
  checkFloating(op, x, w);
  const depthwise = { ...options, groups: x.shape[1]! };
  const window = convolutionGeometry(op, x.shape, w.shape, depthwise);
  const { batch, outChannels, outHeight, outWidth } = window;
  const columns = outHeight * outWidth;
  if (columns === 0 || stages.length === 0 || [x, w, ...stages.map(([, weight]) => weight)].some(({ size }) => size === 0))
    return undefined;
  const operands = stagesOperands(x, outChannels, stages);
  const { blocks, weights, channels } = operands;
  return {
    geometry: { window, stages: operands.stages },
    blocks,
    weights,
    shape: [batch, channels, outHeight, outWidth],
    composedGradient(input, g) {
      const z = conv2d(input, w, depthwise);
      const [ofZ, ...ofWeights] = operands.composedGradient(
        reshape(z, [batch, outChannels, columns]),
        reshape(g, [batch, channels, columns]),
      );
      const ofWindow = z.origin!.vjp as readonly Vjp[];
      return [...ofWindow.map((vjp) => vjp(reshape(ofZ!, z.shape))), ...ofWeights];
    },
  };
}

/** `contractWindow` as `conv2d` and `contractChannels`. */
function contractWindowComposed(x: Tensor, w: Tensor, stages: readonly Stage[], options: WindowOptions): Tensor {
  checkFloating("contractWindow", x, w);
  const z = conv2d(x, w, { ...options, groups: x.shape[1]! });
  const [batch, channels, height, width] = z.shape as [number, number, number, number];
  const y = contractChannels(reshape(z, [batch, channels, height * width]), stages);
  return reshape(y, [batch, y.shape[1]!, height, width]);
}

/**
 * contractChannels(w ∗ x) with a depthwise window w. What the window makes is as large as x, and cheap: it is not kept for the gradient,
 * which computes it again.   x:[N,C,H,W], w:[C,1,Kh,Kw] → [N,C′,H′,W′].   VJP: those of `conv2d` and `contractChannels`.
 * @throws ShapeError as `conv2d` and `contractChannels` do.
 */
export function contractWindow(x: Tensor, w: Tensor, stages: readonly Stage[], options: WindowOptions = {}): Tensor {
  const { contractWindow: forward, contractWindowGradient: backward } = kernels();
  if (forward === undefined || backward === undefined) return contractWindowComposed(x, w, stages, options);
  const contraction = windowContraction("contractWindow", x, w, stages, options);
  if (contraction === undefined) return contractWindowComposed(x, w, stages, options);
  const { geometry, blocks, weights, shape } = contraction;
  const fusedGradient = (g: Tensor): Tensor[] => {
    const gradient = backward(x.storage, w.storage, weights, g.storage, geometry);
    const ofWeights = gradient.weights.map((weight, s) => output(blocks[s]!.shape, weight));
    return [output(x.shape, gradient.x), output(w.shape, gradient.w), ...ofWeights];
  };
  return record("contractWindow", {
    inputs: [x, w, ...blocks],
    value: output(shape, forward(x.storage, w.storage, weights, geometry)),
    vjp: (g) => (isRecording() ? contraction.composedGradient(x, g) : fusedGradient(g)),
  });
}
