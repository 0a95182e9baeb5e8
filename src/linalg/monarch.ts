/** The nearest Monarch matrix (Dao et al. 2022, arXiv 2204.00595, algorithm 1): one rank-one SVD per pair of blocks. */

import { ShapeError } from "../core/errors.ts";
import { type Matrix, matrix } from "./matrix.ts";
import { svd } from "./svd.ts";
import { type TensorArray, tensorArray } from "./tensor-array.ts";

/** How rows and columns are split: row = l·middle + j, column = k·(columns/blocks) + i, with j < middle and k < blocks. */
export interface MonarchShape {
  readonly blocks: number;
  readonly middle: number;
}

/** M[l·q + j, k·s + i] = L[j, l, k]·R[k, j, i]: block-diagonal R, a permutation, block-diagonal L, a permutation. left:[q,p,b], right:[b,q,s]. */
export interface Monarch {
  readonly left: TensorArray;
  readonly right: TensorArray;
  /** ‖A − M‖, the least any Monarch matrix of this shape attains: the slices [·,j,k,·] don't share an entry. */
  readonly error: number;
}

interface Sizes {
  readonly p: number;
  readonly q: number;
  readonly b: number;
  readonly s: number;
}

function sizesOf(rows: number, columns: number, { blocks, middle }: MonarchShape): Sizes {
  if (!(Number.isInteger(rows / middle) && Number.isInteger(columns / blocks)))
    throw new ShapeError(`monarch: middle must divide the rows and blocks the columns, got ${middle}, ${blocks} for ${rows}×${columns}`);
  return { p: rows / middle, q: middle, b: blocks, s: columns / blocks };
}

/** @throws ShapeError when the shape does not divide the matrix. */
export function nearestMonarch(a: Matrix, shape: MonarchShape): Monarch {
  const { p, q, b, s } = sizesOf(a.rows, a.columns, shape);
  const [left, right] = [tensorArray([q, p, b]), tensorArray([b, q, s])];
  let lost = 0;
  for (let j = 0; j < q; j++)
    for (let k = 0; k < b; k++) {
      const slice = matrix(p, s);
      for (let l = 0; l < p; l++) for (let i = 0; i < s; i++) slice.data[l * s + i] = a.data[(l * q + j) * a.columns + k * s + i]!;
      const { u, s: values, v } = svd(slice);
      const root = Math.sqrt(values[0] ?? 0);
      for (let l = 0; l < p; l++) left.data[(j * p + l) * b + k] = u.data[l * u.columns]! * root;
      for (let i = 0; i < s; i++) right.data[(k * q + j) * s + i] = v.data[i * v.columns]! * root;
      for (const value of values.subarray(1)) lost += value * value;
    }
  return { left, right, error: Math.sqrt(lost) };
}

/** The matrix, entry by entry from the formula. */
export function monarchToDense({ left, right }: Pick<Monarch, "left" | "right">): Matrix {
  const [q, p, b] = left.shape as [number, number, number];
  const s = right.shape[2]!;
  const out = matrix(p * q, b * s);
  for (let l = 0; l < p; l++)
    for (let j = 0; j < q; j++)
      for (let k = 0; k < b; k++)
        for (let i = 0; i < s; i++)
          out.data[(l * q + j) * out.columns + k * s + i] = left.data[(j * p + l) * b + k]! * right.data[(k * q + j) * s + i]!;
  return out;
}
