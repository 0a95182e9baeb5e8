/** The tensor-train decomposition by TT-SVD (Oseledets 2011, SIAM J. Sci. Comput. 33, algorithm 1). */

import { ShapeError } from "../core/errors.ts";
import { formatShape } from "../core/shape.ts";
import { columnsOf, matrix, product, scaleColumns, transposed } from "./matrix.ts";
import { svd } from "./svd.ts";
import { checkTensorArray, type TensorArray, tensorArray } from "./tensor-array.ts";

/** X[i₁,…,i_d] = G₁[1,i₁,:]·G₂[:,i₂,:]·…·G_d[:,i_d,1]. */
export interface TensorTrain {
  /** The cores G_k:[r_{k−1}, d_k, r_k], where r₀ = r_d = 1. */
  readonly cores: readonly TensorArray[];
}

/**
 * The tensor train with the ranks r₁ … r_{d−1}, or less where a matrix has no more. It takes one truncated SVD for each bond, from left to
 * right.
 *
 * Let ε_k be the norm of the singular values that the unfolding of X at bond k loses at rank r_k. Then ‖X − TT‖² ≤ Σ ε_k² (theorem 2.2). So
 * the error is at most √(d−1) times that of the best train of these ranks.
 * @throws ShapeError unless there is one rank ≥ 1 per bond, no axis is empty, and all entries are finite.
 */
export function tensorTrain(x: TensorArray, ranks: readonly number[]): TensorTrain {
  const order = x.shape.length;
  if (order < 1 || ranks.length !== order - 1 || ranks.some((rank) => !Number.isInteger(rank) || rank < 1))
    throw new ShapeError(`tensorTrain: needs an integer rank ≥ 1 for each of the ${Math.max(0, order - 1)} bonds, got [${ranks}]`);
  checkTensorArray("tensorTrain", x);
  return tensorTrainBy(x, (s, bond) => Math.min(ranks[bond]!, s.length));
}

/** TT-SVD where `kept` chooses the rank of each bond, from the singular values that are left there. */
export function tensorTrainBy(x: TensorArray, kept: (singularValues: Float64Array, bond: number) => number): TensorTrain {
  const order = x.shape.length;
  const cores: TensorArray[] = [];
  let rank = 1;
  let rest = x.data;
  for (let k = 0; k < order - 1; k++) {
    const rows = rank * x.shape[k]!;
    const { u, s, v } = svd(matrix(rows, rest.length / rows, rest));
    const next = kept(s, k);
    cores.push(tensorArray([rank, x.shape[k]!, next], columnsOf(u, 0, next).data));
    rest = transposed(scaleColumns(columnsOf(v, 0, next), s)).data;
    rank = next;
  }
  cores.push(tensorArray([rank, x.shape[order - 1]!, 1], rest));
  return { cores };
}

/**
 * The tensor of a train, multiplied out from the left.
 * @throws ShapeError unless the cores are [1,d₁,r₁], [r₁,d₂,r₂], …, [r_{d−1},d_d,1].
 */
export function tensorTrainToDense({ cores }: TensorTrain): TensorArray {
  const fits = cores.every(
    ({ shape }, k) => shape.length === 3 && shape[0] === (cores[k - 1]?.shape[2] ?? 1) && (k < cores.length - 1 || shape[2] === 1),
  );
  if (cores.length === 0 || !fits)
    throw new ShapeError(
      "tensorTrainToDense: cores must be [1,d,r], [r,d,r′], …, [r″,d,1] with equal ranks where two cores meet, " +
        `got ${cores.map(({ shape }) => formatShape(shape)).join(", ") || "no cores"}`,
    );
  const shape = cores.map((core) => core.shape[1]!);
  let left = matrix(1, 1, [1]);
  for (const { shape: core, data } of cores) {
    const [before, size, after] = core as [number, number, number];
    const next = product(left, matrix(before, size * after, data));
    left = matrix(next.rows * size, after, next.data);
  }
  return tensorArray(shape, left.data);
}
