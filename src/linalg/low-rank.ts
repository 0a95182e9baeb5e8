/** The best approximation by a matrix of low rank, from the truncated SVD (Eckart & Young 1936, Psychometrika 1). */

import { ShapeError } from "../core/errors.ts";
import { checkMatrix, columnsOf, frobenius, type Matrix, product, scaleColumns, transposed } from "./matrix.ts";
import { type Svd, svd } from "./svd.ts";

/** A ≈ left·right with left:[m,rank], right:[rank,n]. */
export interface LowRank {
  readonly left: Matrix;
  readonly right: Matrix;
  /** ‖A − left·right‖, the least error of any matrix of this rank. It is √Σ s², over the singular values s that were left out. */
  readonly error: number;
}

/**
 * The best approximation of A by a matrix of rank `rank`. Each factor takes √s of a singular value s.
 * @throws ShapeError for a rank below 1, an empty matrix, or entries that are not finite.
 */
export function lowRank(a: Matrix, rank: number): LowRank {
  if (!Number.isInteger(rank) || rank < 1) throw new ShapeError(`lowRank: rank must be an integer ≥ 1, got ${rank}`);
  checkMatrix("lowRank", a);
  return truncated(svd(a), rank);
}

/** The best approximation of rank `rank`, from the singular value decomposition of the matrix. */
export function truncated({ u, s, v }: Svd, rank: number): LowRank {
  const kept = Math.min(rank, s.length);
  const roots = s.slice(0, kept).map(Math.sqrt);
  return {
    left: scaleColumns(columnsOf(u, 0, kept), roots),
    right: transposed(scaleColumns(columnsOf(v, 0, kept), roots)),
    error: frobenius(s.subarray(kept)),
  };
}

/** The product left·right. */
export const lowRankProduct = ({ left, right }: LowRank): Matrix => product(left, right);
