/** Averages and copies of tensors in place. They are steps of SGD with unusual rates, so every backend has them. */

import { kernels } from "../backend/active.ts";
import type { SgdEntry } from "../backend/kernels.ts";
import { zeros } from "../ops/creation.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** A tensor that changes, and the tensor whose values it takes on or moves to. Both have one shape and dtype. */
export interface TensorPair {
  readonly target: Tensor;
  readonly source: Tensor;
}

/** Plain SGD, p ← p − rate·(g + decay·p). */
function plainSgd(pairs: readonly TensorPair[], learningRate: number, weightDecay: number): void {
  const entries = pairs.map(
    ({ target, source }): SgdEntry => ({
      parameter: target.storage,
      gradient: source.storage,
      momentum: undefined,
      learningRate,
      weightDecay,
    }),
  );
  kernels().sgdUpdate(entries, { momentum: 0, nesterov: false, first: false });
}

/** target ← target + share·(source − target). It allocates nothing. */
export const moveTowards = (pairs: readonly TensorPair[], share: number): void => plainSgd(pairs, -share, -1);

/** target ← source, bit for bit except that −0 may become 0. It allocates nothing if zeros of each target's shape are given. */
export function overwrite(pairs: readonly TensorPair[], empty: readonly Tensor[] = pairs.map(({ target }) => zerosLike(target))): void {
  // p − (0 + p) is exactly 0, and 0 + q is exactly q. Adding q − p to p would round.
  plainSgd(
    pairs.map(({ target }, i) => ({ target, source: empty[i]! })),
    1,
    1,
  );
  for (const { target, source } of pairs) kernels().accumulate(target.storage, source.storage);
}

export const zerosLike = ({ shape, dtype }: Tensor): Tensor => zeros(shape, { dtype });
