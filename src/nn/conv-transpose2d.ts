/** The transposed convolution as a layer. */

import { checkWindowOptions } from "../core/convolution-geometry.ts";
import { checkOptions, type OptionNames, optionNames } from "../core/options.ts";
import type { TransposedConvolutionOptions } from "../core/transposed-geometry.ts";
import { convTranspose2d } from "../ops/convolution.ts";
import { add, multiply } from "../ops/elementwise.ts";
import { reshape } from "../ops/reshape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { afterBias, type ChannelAffine } from "./channel-affine.ts";
import { type ConvolutionWeights, convolutionWeights } from "./conv2d.ts";
import { type Description, describedPadding, unlessUsual } from "./describe.ts";
import type { FoldableLayer } from "./foldable-layer.ts";
import type { Build, Initialiser } from "./init.ts";
import { transposedMatrices } from "./matrix-view.ts";
import { Layer } from "./module.ts";
import { Parameter } from "./state.ts";

/** Defaults: stride 1, padding 0, outputPadding 0, dilation 1, one group. */
export interface ConvTranspose2dOptions extends TransposedConvolutionOptions {
  /** Whether a bias is added to each output channel. Default: false, as for `Conv2d`. */
  readonly bias?: boolean;
  /** How the weight is initialised. Default: `uniformFanIn`, as in PyTorch. */
  readonly init?: Initialiser;
}

/** The names of `ConvTranspose2dOptions`. */
const convTranspose2dOptions: OptionNames = optionNames<ConvTranspose2dOptions>({
  stride: true,
  padding: true,
  outputPadding: true,
  dilation: true,
  groups: true,
  bias: true,
  init: true,
});

/**
 * y = the transpose of a convolution with w, plus b (`convTranspose2d`). x:[N,C,H,W], w:[C,O/groups,k,k], b:[O] → y:[N,O,H′,W′] with
 * H′ = (H−1)·stride − top − bottom + dilation·(k−1) + outputPadding + 1. C·H·W·(O/groups)·k² multiply-adds per sample.
 */
export class ConvTranspose2d extends Layer implements FoldableLayer {
  readonly weight: Parameter;
  readonly bias: Parameter | undefined;
  readonly #options: TransposedConvolutionOptions;

  /** @param source How weight and bias are drawn; or the two tensors, for which the options `bias` and `init` have no effect. */
  constructor(
    inChannels: number,
    outChannels: number,
    kernel: number,
    source: Build | ConvolutionWeights,
    options: ConvTranspose2dOptions = {},
  ) {
    super();
    checkOptions("ConvTranspose2d", options, convTranspose2dOptions);
    const { bias: hasBias, init, ...convolution } = options;
    checkWindowOptions("ConvTranspose2d", { kernel, ...convolution });
    const shape = [inChannels, outChannels / (convolution.groups ?? 1), kernel, kernel];
    const { weight, bias } = convolutionWeights(source, shape, outChannels, { bias: hasBias, init });
    this.weight = new Parameter(weight);
    this.weight.matrices = transposedMatrices(weight.shape, convolution.groups ?? 1);
    this.bias = bias && new Parameter(bias);
    this.#options = convolution;
  }

  /** The transposed convolution with the given weight and bias. */
  static of(weights: ConvolutionWeights, options: TransposedConvolutionOptions = {}): ConvTranspose2d {
    const [inChannels, groupOutputs, kernel] = weights.weight.shape as [number, number, number];
    return new ConvTranspose2d(inChannels, groupOutputs * (options.groups ?? 1), kernel, weights, options);
  }

  forward(x: Tensor): Tensor {
    const y = convTranspose2d(x, this.weight.value, this.#options);
    return this.bias === undefined ? y : add(y, reshape(this.bias.value, [1, this.bias.value.size, 1, 1]));
  }

  override describe(): Description {
    const { stride = 1, padding = 0, outputPadding = 0, dilation = 1, groups = 1 } = this.#options;
    const [inChannels, groupOutputs, height, width] = this.weight.shape as [number, number, number, number];
    const options = {
      kernel: height === width ? height : [height, width],
      stride: unlessUsual(stride, 1),
      padding: unlessUsual(describedPadding(padding), 0),
      outputPadding: unlessUsual(outputPadding, 0),
      dilation: unlessUsual(dilation, 1),
      groups: unlessUsual(groups, 1),
      bias: this.bias ? true : undefined,
    };
    return { kind: "ConvTranspose2d", sizes: [inChannels, groupOutputs * groups], options, whole: true };
  }

  fold(affine?: ChannelAffine): ConvTranspose2d {
    if (affine === undefined) return this;
    const { groups = 1 } = this.#options;
    const weight = this.weight.value;
    const [inChannels, groupOutputs, ...kernel] = weight.shape as [number, number, number, number];
    // The output channels of a group are the second axis of its rows of w.
    const rows = reshape(weight, [groups, inChannels / groups, groupOutputs, ...kernel]);
    const scaled = multiply(rows, reshape(affine.scale, [groups, 1, groupOutputs, 1, 1]));
    return ConvTranspose2d.of({ weight: reshape(scaled, weight.shape), bias: afterBias(affine, this.bias?.value).shift }, this.#options);
  }
}
