/** The nearest Monarch matrix (Dao et al. 2022, arXiv 2204.00595, algorithm 1), from one truncated SVD for each pair of blocks. */

import { ShapeError } from "../core/errors.ts";
import { formatShape, sameShape } from "../core/shape.ts";
import { checkMatrix, frobenius, type Matrix, matrix } from "./matrix.ts";
import { svd } from "./svd.ts";
import { type TensorArray, tensorArray } from "./tensor-array.ts";

/** How rows and columns are split: row = l·middle + j and column = k·(columns/blocks) + i, with j < middle and k < blocks. */
export interface MonarchShape {
  /** The number b of diagonal blocks of R, a divisor of the columns. */
  readonly blocks: number;
  /** The number q of diagonal blocks of L, a divisor of the rows. */
  readonly middle: number;
  /** The rank r of each slice. Default: 1. A higher rank makes a block tensor train (Qiu et al. 2024, arXiv 2406.06248). */
  readonly rank?: number;
}

/**
 * M[l·q + j, k·s + i] = Σ_a L[j,l,k,a]·R[k,j,a,i]. As a product of matrices it is a block-diagonal R, a permutation, a block-diagonal L,
 * and a permutation. left:[q,p,b,r], right:[b,q,r,s].
 */
export interface Monarch {
  readonly left: TensorArray;
  readonly right: TensorArray;
  /** ‖A − M‖, the least error of any Monarch matrix of this shape, because no two slices [·,j,k,·] share an entry. */
  readonly error: number;
}

/** The letters of the formula. */
interface Sizes {
  readonly p: number;
  readonly q: number;
  readonly b: number;
  readonly s: number;
  readonly r: number;
}

function sizesOf(rows: number, columns: number, { blocks, middle, rank = 1 }: MonarchShape): Sizes {
  if (!Number.isInteger(rank) || rank < 1) throw new ShapeError(`nearestMonarch: rank must be an integer ≥ 1, got ${rank}`);
  if (!(Number.isInteger(rows / middle) && Number.isInteger(columns / blocks) && middle >= 1 && blocks >= 1))
    throw new ShapeError(
      `nearestMonarch: middle must divide the rows and blocks the columns, got ${middle} and ${blocks} for ${rows}×${columns}`,
    );
  return { p: rows / middle, q: middle, b: blocks, s: columns / blocks, r: rank };
}

/** The slice A[·,j,k,·]:[p,s] that no other pair (j, k) shares an entry with. */
function sliceOf(a: Matrix, { p, q, s }: Sizes, j: number, k: number): Matrix {
  const slice = matrix(p, s);
  for (let l = 0; l < p; l++) for (let i = 0; i < s; i++) slice.data[l * s + i] = a.data[(l * q + j) * a.columns + k * s + i]!;
  return slice;
}

/**
 * The singular values of all slices, position by position: entry t is √Σ σ_t² over the slices. The norm of the entries from r on is the
 * least error of a Monarch matrix of rank r.
 * @throws ShapeError when the shape does not divide the matrix, for an empty matrix, or for entries that are not finite.
 */
export function monarchSpectrum(a: Matrix, shape: Pick<MonarchShape, "blocks" | "middle">): Float64Array {
  checkMatrix("monarchSpectrum", a);
  const sizes = sizesOf(a.rows, a.columns, shape);
  const norms = new Float64Array(Math.min(sizes.p, sizes.s));
  for (let j = 0; j < sizes.q; j++)
    for (let k = 0; k < sizes.b; k++)
      for (const [t, value] of svd(sliceOf(a, sizes, j, k)).s.entries()) norms[t] = Math.hypot(norms[t]!, value);
  return norms;
}

/**
 * The best approximation of A by a Monarch matrix.
 * @throws ShapeError when the shape does not divide the matrix, for a rank below 1, for an empty matrix, or for entries that are not
 * finite.
 */
export function nearestMonarch(a: Matrix, shape: MonarchShape): Monarch {
  checkMatrix("nearestMonarch", a);
  const sizes = sizesOf(a.rows, a.columns, shape);
  const { p, q, b, s, r } = sizes;
  const [left, right] = [tensorArray([q, p, b, r]), tensorArray([b, q, r, s])];
  const lost: number[] = [];
  for (let j = 0; j < q; j++)
    for (let k = 0; k < b; k++) {
      const { u, s: values, v } = svd(sliceOf(a, sizes, j, k));
      for (let t = 0; t < Math.min(r, values.length); t++) {
        const root = Math.sqrt(values[t]!);
        for (let l = 0; l < p; l++) left.data[((j * p + l) * b + k) * r + t] = u.data[l * u.columns + t]! * root;
        for (let i = 0; i < s; i++) right.data[((k * q + j) * r + t) * s + i] = v.data[i * v.columns + t]! * root;
      }
      for (const value of values.subarray(r)) lost.push(value);
    }
  return { left, right, error: frobenius(lost) };
}

/**
 * The matrix M, entry by entry from its formula. left:[q,p,b,r], right:[b,q,r,s] → M:[p·q, b·s].
 * @throws ShapeError when the two shapes disagree.
 */
export function monarchToDense({ left, right }: Pick<Monarch, "left" | "right">): Matrix {
  const [q, p, b, r] = left.shape as [number, number, number, number];
  const s = right.shape[3]!;
  if (left.shape.length !== 4 || !sameShape(right.shape, [b, q, r, s]))
    throw new ShapeError(
      `monarchToDense: needs left:[q,p,b,r] and right:[b,q,r,s], got ${formatShape(left.shape)} and ${formatShape(right.shape)}`,
    );
  const out = matrix(p * q, b * s);
  for (let l = 0; l < p; l++)
    for (let j = 0; j < q; j++)
      for (let k = 0; k < b; k++)
        for (let i = 0; i < s; i++)
          for (let t = 0; t < r; t++)
            out.data[(l * q + j) * out.columns + k * s + i]! +=
              left.data[((j * p + l) * b + k) * r + t]! * right.data[((k * q + j) * r + t) * s + i]!;
  return out;
}
