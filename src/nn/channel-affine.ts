/** y = s·x + t, channel by channel: what is left of a batch norm once its statistics stand still. */

import { add, multiply } from "../ops/elementwise.ts";
import { slice } from "../ops/layout.ts";
import { reshape } from "../ops/reshape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Layer } from "./module.ts";
import { Parameter } from "./state.ts";

/** s:[C] and t:[C]. */
export interface ChannelAffine {
  readonly scale: Tensor;
  readonly shift: Tensor;
}

/** y = s·x + t with s and t at hand: two passes over x, nothing else.   x:[N,C,H,W] → y:[N,C,H,W]. */
export class AffineLayer extends Layer {
  readonly scale: Parameter;
  readonly shift: Parameter;

  constructor({ scale, shift }: ChannelAffine) {
    super();
    this.scale = new Parameter(scale);
    this.shift = new Parameter(shift);
  }

  forward(x: Tensor): Tensor {
    const shape = [1, this.scale.value.size, 1, 1];
    return add(multiply(x, reshape(this.scale.value, shape)), reshape(this.shift.value, shape));
  }
}

/** The same of z = x + b: s·(x + b) + t = s·x + (s·b + t). */
export const afterBias = ({ scale, shift }: ChannelAffine, bias: Tensor | undefined): ChannelAffine =>
  bias === undefined ? { scale, shift } : { scale, shift: add(multiply(bias, scale), shift) };

/** Row o of w:[O,…] times s[o]: the weight of s·(w ∗ x). */
export const scaledRows = (weight: Tensor, { scale }: ChannelAffine): Tensor =>
  multiply(weight, reshape(scale, [scale.size, ...weight.shape.slice(1).map(() => 1)]));

/** Of the channels [first, end) only. */
export const affineOf = ({ scale, shift }: ChannelAffine, first: number, end: number): ChannelAffine => ({
  scale: slice(scale, [[first, end]]),
  shift: slice(shift, [[first, end]]),
});
