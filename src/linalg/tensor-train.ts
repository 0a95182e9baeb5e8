/** Tensor-train decomposition (Oseledets 2011, SIAM J. Sci. Comput. 33, algorithm 1: TT-SVD). */

import { ShapeError } from "../core/errors.ts";
import { columnsOf, matrix, product, scaleColumns, transposed } from "./matrix.ts";
import { svd } from "./svd.ts";
import { type TensorArray, tensorArray } from "./tensor-array.ts";

/** X[i₁,…,i_d] = G₁[1,i₁,:]·G₂[:,i₂,:]·…·G_d[:,i_d,1], cores [r_{k−1}, d_k, r_k]. */
export interface TensorTrain {
  readonly cores: readonly TensorArray[];
}

/**
 * The train with ranks at most `ranks` (r₁ … r_{d−1}), one truncated SVD per bond from left to right. With ε_k the norm of the singular values dropped at
 * bond k, ‖X − TT‖² ≤ Σ ε_k² (theorem 2.2), so the error is at most √(d−1) times that of the best train of these ranks.
 * @throws ShapeError unless there is one rank ≥ 1 per bond.
 */
export function tensorTrain(x: TensorArray, ranks: readonly number[]): TensorTrain {
  const order = x.shape.length;
  if (order < 1 || ranks.length !== order - 1 || ranks.some((rank) => !Number.isInteger(rank) || rank < 1))
    throw new ShapeError(`tensorTrain: needs an integer rank ≥ 1 for each of the ${Math.max(0, order - 1)} bonds, got [${ranks}]`);
  const cores: TensorArray[] = [];
  let rank = 1;
  let rest = x.data;
  for (let k = 0; k < order - 1; k++) {
    const rows = rank * x.shape[k]!;
    const { u, s, v } = svd(matrix(rows, rest.length / rows, rest));
    const kept = Math.min(ranks[k]!, s.length);
    cores.push(tensorArray([rank, x.shape[k]!, kept], columnsOf(u, 0, kept).data));
    rest = transposed(scaleColumns(columnsOf(v, 0, kept), s)).data;
    rank = kept;
  }
  cores.push(tensorArray([rank, x.shape[order - 1]!, 1], rest));
  return { cores };
}

/** The tensor a train stands for, multiplied out from the left. */
export function tensorTrainToDense({ cores }: TensorTrain): TensorArray {
  const shape = cores.map((core) => core.shape[1]!);
  let left = matrix(1, 1, [1]);
  for (const { shape: core, data } of cores) {
    const [before, size, after] = core as [number, number, number];
    const next = product(left, matrix(before, size * after, data));
    left = matrix(next.rows * size, after, next.data);
  }
  return tensorArray(shape, left.data);
}
