/** A depthwise window, and products along the channels behind it: what a structured convolution is made of. */

import { kernels } from "../backend/active.ts";
import { type ConvolutionOptions, convolutionGeometry } from "../core/convolution-geometry.ts";
import { isRecording, record } from "../tape/tape.ts";
import type { Tensor, Vjp } from "../tensor/tensor.ts";
import { contractChannels, type Stage, stagesOperands } from "./contract-channels.ts";
import { conv2d } from "./convolution.ts";
import { checkFloating, output } from "./output.ts";
import { reshape } from "./reshape.ts";

/**
 * contractChannels(w ∗ x) with a depthwise window w. What the window makes is as large as x, and cheap: it is not kept for the gradient,
 * which computes it again.   x:[N,C,H,W], w:[C,1,Kh,Kw] → [N,C′,H′,W′].   VJP: those of `conv2d` and `contractChannels`.
 * @throws ShapeError as `conv2d` and `contractChannels` do.
 */
export function contractWindow(x: Tensor, w: Tensor, stages: readonly Stage[], options: Omit<ConvolutionOptions, "groups"> = {}): Tensor {
  checkFloating("contractWindow", x, w);
  const depthwise = { ...options, groups: x.shape[1]! };
  const window = convolutionGeometry("contractWindow", x.shape, w.shape, depthwise);
  const { batch, outChannels, outHeight, outWidth } = window;
  const columns = outHeight * outWidth;
  const { contractWindow: forward, contractWindowGradient: backward } = kernels();
  const isEmpty = columns === 0 || stages.length === 0 || [x, w, ...stages.map(([, weight]) => weight)].some(({ size }) => size === 0);
  if (forward === undefined || backward === undefined || isEmpty) {
    const y = contractChannels(reshape(conv2d(x, w, depthwise), [batch, outChannels, columns]), stages);
    return reshape(y, [batch, y.shape[1]!, outHeight, outWidth]);
  }

  const operands = stagesOperands(x, outChannels, stages);
  const { blocks, weights, channels } = operands;
  const geometry = { window, stages: operands.stages };
  const fusedGradient = (g: Tensor): Tensor[] => {
    const gradient = backward(x.storage, w.storage, weights, g.storage, geometry);
    const ofWeights = gradient.weights.map((weight, s) => output(blocks[s]!.shape, weight));
    return [output(x.shape, gradient.x), output(w.shape, gradient.w), ...ofWeights];
  };
  const composedGradient = (g: Tensor): Tensor[] => {
    const z = conv2d(x, w, depthwise);
    const [ofZ, ...ofWeights] = operands.composedGradient(
      reshape(z, [batch, outChannels, columns]),
      reshape(g, [batch, channels, columns]),
    );
    const ofWindow = z.origin!.vjp as readonly Vjp[];
    return [...ofWindow.map((vjp) => vjp(reshape(ofZ!, z.shape))), ...ofWeights];
  };
  return record("contractWindow", {
    inputs: [x, w, ...blocks],
    value: output([batch, channels, outHeight, outWidth], forward(x.storage, w.storage, weights, geometry)),
    vjp: (g) => (isRecording() ? composedGradient(g) : fusedGradient(g)),
  });
}
