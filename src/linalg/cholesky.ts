/** The Cholesky factorisation of symmetric positive definite matrices (Golub & Van Loan, Matrix Computations, §4.2). */

import { ShapeError } from "../core/errors.ts";
import { checkMatrix, type Matrix, matrix, powerOfTwoNear } from "./matrix.ts";

/**
 * The lower triangular L with A = L·Lᵀ and a positive diagonal, for a symmetric positive definite A:[n,n]. Only the lower triangle of A is
 * read, as in NumPy and PyTorch. It takes n³/6 multiply-adds and is backward stable.
 * @throws ShapeError for a matrix that is not square or not positive definite, an empty one, or entries that are not finite.
 */
export function cholesky(a: Matrix): Matrix {
  checkMatrix("cholesky", a);
  const n = a.rows;
  if (a.columns !== n) throw new ShapeError(`cholesky: the matrix must be square, got ${n}×${a.columns}`);
  // A scale of 4ᵏ has the exact root 2ᵏ. It keeps the squares of the entries of L from overflowing and from vanishing.
  const scale = 4 ** Math.floor(Math.log2(powerOfTwoNear(a.data)) / 2);
  const l = matrix(n, n);
  for (let j = 0; j < n; j++) {
    let pivot = a.data[j * n + j]! / scale;
    for (let k = 0; k < j; k++) pivot -= l.data[j * n + k]! ** 2;
    if (!(pivot > 0)) throw new ShapeError(`cholesky: the matrix must be positive definite, got the pivot ${pivot * scale} in row ${j}`);
    const root = Math.sqrt(pivot);
    l.data[j * n + j] = root;
    for (let i = j + 1; i < n; i++) {
      let sum = a.data[i * n + j]! / scale;
      for (let k = 0; k < j; k++) sum -= l.data[i * n + k]! * l.data[j * n + k]!;
      l.data[i * n + j] = sum / root;
    }
  }
  const factor = Math.sqrt(scale);
  return { ...l, data: l.data.map((value) => value * factor) };
}
