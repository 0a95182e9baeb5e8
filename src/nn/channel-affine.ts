/** y = s·x + t with one s and one t for each channel: a batch norm in evaluation, where its statistics do not change. */

import type { Context } from "../core/context.ts";
import { channelAffine } from "../ops/channel-affine.ts";
import { add, multiply } from "../ops/elementwise.ts";
import type { Epilogue } from "../ops/epilogue.ts";
import { slice } from "../ops/layout.ts";
import { reshape } from "../ops/reshape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Description } from "./describe.ts";
import type { EpilogueLayer } from "./epilogue.ts";
import { Layer } from "./module.ts";
import { Parameter } from "./state.ts";

/** The scale s:[C] and the shift t:[C]. */
export interface ChannelAffine {
  readonly scale: Tensor;
  readonly shift: Tensor;
}

/** y = s·x + t.   x:[N,C,H,W] → y:[N,C,H,W]. */
export class AffineLayer extends Layer implements EpilogueLayer {
  readonly scale: Parameter;
  readonly shift: Parameter;

  constructor({ scale, shift }: ChannelAffine) {
    super();
    this.scale = new Parameter(scale);
    this.shift = new Parameter(shift);
  }

  override describe(): Description {
    return { kind: "AffineLayer", sizes: this.scale.shape, whole: true };
  }

  forward(x: Tensor): Tensor {
    return channelAffine(x, this.scale.value, this.shift.value);
  }

  forwardThen(x: Tensor, _: Context, then: Epilogue): Tensor {
    return channelAffine(x, this.scale.value, this.shift.value, then);
  }
}

/** The affine of x that equals s·(x + b) + t: its scale is s and its shift is s·b + t. Without b, s and t. */
export const afterBias = ({ scale, shift }: ChannelAffine, bias: Tensor | undefined): ChannelAffine =>
  bias === undefined ? { scale, shift } : { scale, shift: add(multiply(bias, scale), shift) };

/** w:[O,…] with row o multiplied by s[o]: the weight of s·(w ∗ x). */
export const scaledRows = (weight: Tensor, { scale }: ChannelAffine): Tensor =>
  multiply(weight, reshape(scale, [scale.size, ...weight.shape.slice(1).map(() => 1)]));

/** The scale and the shift of the channels from `first` up to, but not including, `end`. */
export const affineOfChannels = ({ scale, shift }: ChannelAffine, first: number, end: number): ChannelAffine => ({
  scale: slice(scale, [[first, end]]),
  shift: slice(shift, [[first, end]]),
});
