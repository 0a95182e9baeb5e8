/** The nearest Monarch matrix (Dao et al. 2022, arXiv 2204.00595, algorithm 1), from one truncated SVD for each pair of blocks. */

import { ShapeError } from "../core/errors.ts";
import { type Matrix, matrix } from "./matrix.ts";
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
  if (!(Number.isInteger(rows / middle) && Number.isInteger(columns / blocks)))
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
 * The singular values of all slices, position by position: entry t is √Σ σ_t² over the slices. The norm of the entries from r on is the least error
 * of a Monarch matrix of rank r. @throws ShapeError when the shape does not divide the matrix.
 */
export function monarchSpectrum(a: Matrix, shape: Pick<MonarchShape, "blocks" | "middle">): Float64Array {
  const sizes = sizesOf(a.rows, a.columns, shape);
  const norms = new Float64Array(Math.min(sizes.p, sizes.s));
  for (let j = 0; j < sizes.q; j++)
    for (let k = 0; k < sizes.b; k++)
      for (const [t, value] of svd(sliceOf(a, sizes, j, k)).s.entries()) norms[t] = Math.hypot(norms[t]!, value);
  return norms;
}

/** The best approximation of A by a Monarch matrix. @throws ShapeError when the shape does not divide the matrix. */
export function nearestMonarch(a: Matrix, shape: MonarchShape): Monarch {
  const sizes = sizesOf(a.rows, a.columns, shape);
  const { p, q, b, s, r } = sizes;
  const [left, right] = [tensorArray([q, p, b, r]), tensorArray([b, q, r, s])];
  let lost = 0;
  for (let j = 0; j < q; j++)
    for (let k = 0; k < b; k++) {
      const { u, s: values, v } = svd(sliceOf(a, sizes, j, k));
      for (let t = 0; t < Math.min(r, values.length); t++) {
        const root = Math.sqrt(values[t]!);
        for (let l = 0; l < p; l++) left.data[((j * p + l) * b + k) * r + t] = u.data[l * u.columns + t]! * root;
        for (let i = 0; i < s; i++) right.data[((k * q + j) * r + t) * s + i] = v.data[i * v.columns + t]! * root;
      }
      for (const value of values.subarray(r)) lost += value * value;
    }
  return { left, right, error: Math.sqrt(lost) };
}

/** The matrix M, entry by entry from its formula. */
export function monarchToDense({ left, right }: Pick<Monarch, "left" | "right">): Matrix {
  const [q, p, b, r] = left.shape as [number, number, number, number];
  const s = right.shape[3]!;
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
