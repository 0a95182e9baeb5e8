/**
 * The nearest sum of Kronecker products (Van Loan & Pitsianis 1993). A rearrangement of the entries turns each Kronecker product into a
 * matrix of rank 1.
 */

import { ShapeError } from "../core/errors.ts";
import { checkMatrix, frobenius, type Matrix, matrix } from "./matrix.ts";
import { svd } from "./svd.ts";

/** A ≈ Σ_t B_t ⊗ C_t. */
export interface KroneckerSum {
  /** The pairs (B_t, C_t). The norms ‖B_t ⊗ C_t‖ fall from the first pair to the last. */
  readonly terms: readonly { readonly b: Matrix; readonly c: Matrix }[];
  /** The Frobenius norm ‖A − Σ_t B_t ⊗ C_t‖. It equals the 2-norm of the singular values that were left out. */
  readonly error: number;
}

/** The shape of B. For A:[m,n], C has the shape [m/rows, n/columns]. */
export interface KroneckerShape {
  /** The number of rows of B, a divisor of m. */
  readonly rows: number;
  /** The number of columns of B, a divisor of n. */
  readonly columns: number;
}

/**
 * The rearrangement R(A) of A:[m₁·m₂,n₁·n₂] for B:[m₁,n₁] and C:[m₂,n₂]. Its entry in row (i₁,j₁) and column (i₂,j₂) is
 * A[i₁·m₂ + i₂, j₁·n₂ + j₂]. So R(B ⊗ C) = vec(B)·vec(C)ᵀ, where vec lists the entries row by row.
 * @throws ShapeError when the sizes of B do not divide those of A.
 */
export function rearrange(a: Matrix, { rows, columns }: KroneckerShape): Matrix {
  if (rows < 1 || columns < 1 || a.rows % rows !== 0 || a.columns % columns !== 0)
    throw new ShapeError(`nearestKronecker: the sizes of B must divide those of A, got ${rows}×${columns} for ${a.rows}×${a.columns}`);
  const [innerRows, innerColumns] = [a.rows / rows, a.columns / columns];
  const out = matrix(rows * columns, innerRows * innerColumns);
  for (let i = 0; i < a.rows; i++)
    for (let j = 0; j < a.columns; j++) {
      const row = Math.floor(i / innerRows) * columns + Math.floor(j / innerColumns);
      out.data[row * out.columns + (i % innerRows) * innerColumns + (j % innerColumns)] = a.data[i * a.columns + j]!;
    }
  return out;
}

/**
 * The best approximation of A by a sum of at most `terms` Kronecker products, in the Frobenius norm. It comes from the truncated SVD of
 * R(A).
 * @throws ShapeError when the sizes of B do not divide those of A, for terms below 1, for an empty matrix, or for entries that are not
 * finite.
 */
export function nearestKronecker(a: Matrix, shape: KroneckerShape, terms: number): KroneckerSum {
  checkMatrix("nearestKronecker", a);
  if (!Number.isInteger(terms) || terms < 1)
    throw new ShapeError(`nearestKronecker: the number of terms must be an integer ≥ 1, got ${terms}`);
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
    error: frobenius(s.subarray(kept)),
  };
}
