/** A convolution made of numbers at hand: what a convolution and the norm behind it become. */

import type { ConvolutionOptions } from "../core/convolution-geometry.ts";
import { conv2d } from "../ops/convolution.ts";
import { add } from "../ops/elementwise.ts";
import { reshape } from "../ops/reshape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { afterBias, type ChannelAffine, scaledRows } from "./channel-affine.ts";
import { Layer } from "./module.ts";
import { Parameter } from "./state.ts";

/** y = conv2d(x, w) + b.   x:[N,C,H,W], w:[O,C/groups,k,k], b:[O] → y:[N,O,H′,W′]. */
export class FixedConv2d extends Layer {
  readonly weight: Parameter;
  readonly bias: Parameter | undefined;
  readonly #options: ConvolutionOptions;

  constructor(weight: Tensor, bias: Tensor | undefined, options: ConvolutionOptions = {}) {
    super();
    this.weight = new Parameter(weight);
    this.bias = bias === undefined ? undefined : new Parameter(bias);
    this.#options = options;
  }

  kernel(): Tensor {
    return this.weight.value;
  }

  forward(x: Tensor): Tensor {
    const y = conv2d(x, this.weight.value, this.#options);
    return this.bias === undefined ? y : add(y, reshape(this.bias.value, [1, this.bias.value.size, 1, 1]));
  }
}

/** s·(w ∗ x + b) + t as one convolution: weight s·w, row by row, and bias s·b + t. */
export function absorbedConvolution(
  weight: Tensor,
  bias: Tensor | undefined,
  affine: ChannelAffine,
  options: ConvolutionOptions = {},
): FixedConv2d {
  return new FixedConv2d(scaledRows(weight, affine), afterBias(affine, bias).shift, options);
}
