/** The nearest sum of Kronecker products (Van Loan & Pitsianis 1993): a rearrangement turns each product into a rank-one matrix. */

import { ShapeError } from "../core/errors.ts";
import { type Matrix, matrix } from "./matrix.ts";
import { svd } from "./svd.ts";

/** A ≈ Σ_t B_t ⊗ C_t. */
export interface KroneckerSum {
  readonly terms: readonly { readonly b: Matrix; readonly c: Matrix }[];
  /** ‖A − Σ‖: the norm of the singular values left out. */
  readonly error: number;
}

export interface KroneckerShape {
  /** B is [rows, columns]; C has what is left. */
  readonly rows: number;
  readonly columns: number;
}

/** R(A): row (i₁,j₁), column (i₂,j₂) holds A[i₁·m₂ + i₂, j₁·n₂ + j₂], so that R(B ⊗ C) = vec(B)·vec(C)ᵀ. */
export function rearrange(a: Matrix, { rows, columns }: KroneckerShape): Matrix {
  if (a.rows % rows !== 0 || a.columns % columns !== 0)
    throw new ShapeError(`kronecker: the first factor must divide the matrix, got ${rows}×${columns} for ${a.rows}×${a.columns}`);
  const [innerRows, innerColumns] = [a.rows / rows, a.columns / columns];
  const out = matrix(rows * columns, innerRows * innerColumns);
  for (let i = 0; i < a.rows; i++)
    for (let j = 0; j < a.columns; j++) {
      const row = Math.floor(i / innerRows) * columns + Math.floor(j / innerColumns);
      out.data[row * out.columns + (i % innerRows) * innerColumns + (j % innerColumns)] = a.data[i * a.columns + j]!;
    }
  return out;
}

/** The best sum of `terms` products: the truncated SVD of R(A) (theorem 2.1 there). @throws ShapeError */
export function nearestKronecker(a: Matrix, shape: KroneckerShape, terms: number): KroneckerSum {
  const { u, s, v } = svd(rearrange(a, shape));
  const kept = Math.min(terms, s.length);
  const [innerRows, innerColumns] = [a.rows / shape.rows, a.columns / shape.columns];
  const column = (m: Matrix, t: number, scale: number): Float64Array =>
    Float64Array.from({ length: m.rows }, (_, i) => m.data[i * m.columns + t]! * scale);
  return {
    terms: Array.from({ length: kept }, (_, t) => ({
      b: matrix(shape.rows, shape.columns, column(u, t, Math.sqrt(s[t]!))),
      c: matrix(innerRows, innerColumns, column(v, t, Math.sqrt(s[t]!))),
    })),
    error: Math.hypot(...s.subarray(kept)),
  };
}
