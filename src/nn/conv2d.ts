/** The convolution layer. */

import type { Context } from "../core/context.ts";
import { type ConvolutionOptions, checkWindowOptions } from "../core/convolution-geometry.ts";
import { ConfigError } from "../core/errors.ts";
import { checkOptions, type OptionNames, optionNames } from "../core/options.ts";
import { addInPlace } from "../ops/add-in-place.ts";
import { conv2d } from "../ops/convolution.ts";
import { applyInPlace, type Epilogue } from "../ops/epilogue.ts";
import { reshape } from "../ops/reshape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { afterBias, type ChannelAffine, scaledRows } from "./channel-affine.ts";
import { type Description, describedPadding, unlessUsual } from "./describe.ts";
import type { EpilogueLayer } from "./epilogue.ts";
import type { FoldableLayer } from "./foldable-layer.ts";
import { type Build, fanIn, type Initialiser, uniformFanIn } from "./init.ts";
import { groupedMatrices } from "./matrix-view.ts";
import { Layer } from "./module.ts";
import { Parameter } from "./state.ts";

/** Defaults: stride 1, padding 0, dilation 1, one group. */
export interface Conv2dOptions extends ConvolutionOptions {
  /** Whether a bias is added to each output channel. Default: false, unlike in PyTorch, because a norm usually follows and has a shift. */
  readonly bias?: boolean;
  /** How the weight is initialised. Default: `uniformFanIn`, as in PyTorch. */
  readonly init?: Initialiser;
  /** Whether the weight of a 1×1 convolution without groups has the shape [O,C], as that of a linear layer has. Default: false. */
  readonly linearWeight?: boolean;
}

/** The names of `Conv2dOptions`. */
export const conv2dOptions: OptionNames = optionNames<Conv2dOptions>({
  stride: true,
  padding: true,
  dilation: true,
  groups: true,
  bias: true,
  init: true,
  linearWeight: true,
});

/** The numbers of a convolution: w:[O,C/groups,k,k] and, where there is a bias, b:[O]. */
export interface ConvolutionWeights {
  readonly weight: Tensor;
  readonly bias?: Tensor | undefined;
}

/** The weight and the bias of a convolution with `outChannels` outputs: those of `source`, or new ones. The weight is drawn first. */
export function convolutionWeights(
  source: Build | ConvolutionWeights,
  shape: readonly number[],
  outChannels: number,
  { bias: hasBias = false, init = uniformFanIn }: { readonly bias?: boolean | undefined; readonly init?: Initialiser | undefined },
): ConvolutionWeights {
  if ("weight" in source) return source;
  const weight = init(shape, source);
  return { weight, bias: hasBias ? uniformFanIn([outChannels], source, fanIn(shape)) : undefined };
}

/** y = w ∗ x + b.   x:[N,C,H,W], w:[O,C/groups,k,k], b:[O] → y:[N,O,H′,W′].   O·H′·W′·(C/groups)·k² multiply-adds per sample. */
export class Conv2d extends Layer implements FoldableLayer, EpilogueLayer {
  readonly weight: Parameter;
  readonly bias: Parameter | undefined;
  readonly #options: ConvolutionOptions;

  /** @param source How weight and bias are drawn; or the two tensors, for which the options `bias` and `init` have no effect. */
  constructor(inChannels: number, outChannels: number, kernel: number, source: Build | ConvolutionWeights, options: Conv2dOptions = {}) {
    super();
    checkOptions("Conv2d", options, conv2dOptions);
    const { bias: hasBias, init, linearWeight = false, ...convolution } = options;
    checkWindowOptions("Conv2d", { kernel, ...convolution });
    if (linearWeight && (kernel !== 1 || (convolution.groups ?? 1) !== 1))
      throw new ConfigError(
        `Conv2d: linearWeight needs a 1×1 kernel and one group, got ${kernel}×${kernel} and ${convolution.groups ?? 1}`,
      );
    const shape = linearWeight ? [outChannels, inChannels] : [outChannels, inChannels / (convolution.groups ?? 1), kernel, kernel];
    const { weight, bias } = convolutionWeights(source, shape, outChannels, { bias: hasBias, init });
    this.weight = new Parameter(weight);
    this.weight.matrices = groupedMatrices(weight.shape, convolution.groups ?? 1);
    this.bias = bias && new Parameter(bias);
    this.#options = convolution;
  }

  /** The convolution with the given weight and bias. */
  static of(weights: ConvolutionWeights, options: ConvolutionOptions = {}): Conv2d {
    const [outChannels, inChannels, kernel] = weights.weight.shape as [number, number, number];
    return new Conv2d(inChannels * (options.groups ?? 1), outChannels, kernel, weights, options);
  }

  /** The weight w:[O,C/groups,k,k], whatever shape the parameter has. */
  kernel(): Tensor {
    const { value } = this.weight;
    return value.rank === 4 ? value : reshape(value, [...value.shape, 1, 1]);
  }

  forward(x: Tensor): Tensor {
    const y = conv2d(x, this.kernel(), this.#options);
    return this.bias === undefined ? y : addInPlace(y, reshape(this.bias.value, [1, this.bias.value.size, 1, 1]));
  }

  /** The addend takes the place of the convolution's own result. */
  forwardThen(x: Tensor, _: Context, then: Epilogue): Tensor {
    return applyInPlace(this.forward(x), then);
  }

  override describe(): Description {
    const { stride = 1, padding = 0, dilation = 1, groups = 1 } = this.#options;
    const [outChannels, inChannels, height, width] = this.kernel().shape as [number, number, number, number];
    const kernel = height === width ? height : [height, width];
    const options = {
      kernel,
      stride: unlessUsual(stride, 1),
      padding: unlessUsual(describedPadding(padding), 0),
      dilation: unlessUsual(dilation, 1),
      groups: unlessUsual(groups, 1),
      bias: this.bias ? true : undefined,
      linearWeight: this.weight.value.rank === 2 ? true : undefined,
    };
    return { kind: "Conv2d", sizes: [inChannels * groups, outChannels], options, whole: true };
  }

  fold(affine?: ChannelAffine): Conv2d {
    const weights = { weight: this.kernel(), bias: this.bias?.value };
    return affine === undefined ? this : foldedConvolution(weights, affine, this.#options);
  }
}

/** s·(w ∗ x + b) + t as one convolution, with weight s·w and bias s·b + t. Without `affine`, w ∗ x + b. */
export function foldedConvolution(weights: ConvolutionWeights, affine?: ChannelAffine, options: ConvolutionOptions = {}): Conv2d {
  if (affine === undefined) return Conv2d.of(weights, options);
  const { weight, bias } = weights;
  return Conv2d.of({ weight: scaledRows(weight, affine), bias: afterBias(affine, bias).shift }, options);
}
