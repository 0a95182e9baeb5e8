/** A scale and a shift of each channel, which is what a batch norm is in evaluation (docs/derivations/batch-norm.md). */

import { kernels } from "../backend/active.ts";
import type { ChannelGeometry } from "../backend/kernels.ts";
import { ShapeError } from "../core/errors.ts";
import { formatShape, sizeOf } from "../core/shape.ts";
import { differentiable } from "../tape/tape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { add, multiply } from "./elementwise.ts";
import { beforeActivation, checkEpilogue, type Epilogue, epilogueStorages } from "./epilogue.ts";
import { checkFloating, output } from "./output.ts";
import { reshape } from "./reshape.ts";
import { sum } from "./sum-and-broadcast.ts";

/** Every axis except that of the channels. */
export const otherAxes = (x: Tensor): number[] => x.shape.flatMap((_, axis) => (axis === 1 ? [] : [axis]));

/** A vector over the channels, in a shape that broadcasts against x. */
export const perChannel = (vector: Tensor, x: Tensor): Tensor =>
  reshape(
    vector,
    x.shape.map((_, axis) => (axis === 1 ? vector.size : 1)),
  );

/** The sizes of x:[N,C,…]. @throws ShapeError unless `a` and `b` have one value for each channel of x, and dtypes that do not differ. */
export function channelGeometry(op: string, x: Tensor, a: Tensor, b: Tensor): ChannelGeometry {
  checkFloating(op, x, a, b);
  const channels = x.shape[1];
  if (x.rank < 2 || formatShape(a.shape) !== `[${channels}]` || formatShape(b.shape) !== `[${channels}]`)
    throw new ShapeError(
      `${op}: needs x:[N,C,…] and the other operands:[C], got ${formatShape(x.shape)}, ${formatShape(a.shape)}, ${formatShape(b.shape)}`,
    );
  return { batch: x.shape[0]!, channels: channels!, inner: sizeOf(x.shape.slice(2)) };
}

/** s·x + t composed of ops. */
export const channelAffineComposed = (x: Tensor, scale: Tensor, shift: Tensor): Tensor =>
  add(multiply(x, perChannel(scale, x)), perChannel(shift, x));

/**
 * y = s·x + t, and then what `then` says: y = relu(s·x + t + addend).   x:[N,C,…], s:[C], t:[C] → y:[N,C,…].   VJP, with v̄ = ȳ where the
 * activation has slope 1, else 0: x̄ = s·v̄, s̄ = Σ v̄·x, t̄ = Σ v̄, and the addend's cotangent is v̄.
 * @throws ShapeError for x without channels, s or t of another length, an addend of another shape, or dtypes that differ.
 */
export const channelAffine: (x: Tensor, scale: Tensor, shift: Tensor, then?: Epilogue) => Tensor = differentiable(
  "channelAffine",
  (x: Tensor, scale: Tensor, shift: Tensor, then: Epilogue = {}) => {
    const geometry = channelGeometry("channelAffine", x, scale, shift);
    checkEpilogue("channelAffine", x, then);
    const value = output(x.shape, kernels().channelAffine(x.storage, scale.storage, shift.storage, geometry, epilogueStorages(then)));
    const before = (g: Tensor): Tensor => beforeActivation(then.activation, value, g);
    return {
      inputs: [x, scale, shift, ...(then.addend === undefined ? [] : [then.addend])],
      value,
      vjp: [
        (g) => multiply(before(g), perChannel(scale, x)),
        (g) => sum(multiply(before(g), x), { axes: otherAxes(x) }),
        (g) => sum(before(g), { axes: otherAxes(x) }),
        before,
      ],
    };
  },
);
