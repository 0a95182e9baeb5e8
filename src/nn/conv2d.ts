/** The convolution layer. */

import type { ConvolutionOptions } from "../core/convolution-geometry.ts";
import { conv2d } from "../ops/convolution.ts";
import { add } from "../ops/elementwise.ts";
import { reshape } from "../ops/reshape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { ChannelAffine } from "./channel-affine.ts";
import { absorbedConvolution } from "./fixed-conv2d.ts";
import { type Build, fanIn, uniformFanIn } from "./init.ts";
import { Layer } from "./module.ts";
import { Parameter } from "./state.ts";

export interface Conv2dOptions extends ConvolutionOptions {
  readonly bias?: boolean;
  /** How the weight begins: PyTorch's default unless given. */
  readonly init?: (shape: readonly number[], build: Build) => Tensor;
}

/** y = conv2d(x, w) + b.   x:[N,C,H,W], w:[O,C/groups,k,k], b:[O] → y:[N,O,H′,W′].   O·H′·W′·(C/groups)·k² multiply-adds per sample. */
export class Conv2d extends Layer {
  readonly weight: Parameter;
  readonly bias: Parameter | undefined;
  readonly #options: ConvolutionOptions;

  constructor(inChannels: number, outChannels: number, kernel: number, build: Build, options: Conv2dOptions = {}) {
    super();
    const { bias = false, init = uniformFanIn, ...convolution } = options;
    const shape = [outChannels, inChannels / (convolution.groups ?? 1), kernel, kernel];
    this.weight = new Parameter(init(shape, build));
    this.bias = bias ? new Parameter(uniformFanIn([outChannels], build, fanIn(shape))) : undefined;
    this.#options = convolution;
  }

  forward(x: Tensor): Tensor {
    const y = conv2d(x, this.weight.value, this.#options);
    return this.bias === undefined ? y : add(y, reshape(this.bias.value, [1, this.bias.value.size, 1, 1]));
  }

  override absorb(affine: ChannelAffine): Layer {
    return absorbedConvolution(this.weight.value, this.bias?.value, affine, this.#options);
  }
}
