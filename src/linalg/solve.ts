/**
 * The solution of linear systems: of any square system, and of the symmetric positive semidefinite systems that alternating least squares
 * needs.
 */

import { ShapeError } from "../core/errors.ts";
import { checkMatrix, type Matrix, matrix, powerOfTwoNear } from "./matrix.ts";

/**
 * X with A·X = B, for A:[n,n] and B:[n,k], by Gaussian elimination with row exchanges (Golub & Van Loan, Matrix Computations, §3.4). Each
 * row is compared by its entries relative to the largest entry of the row, so the scales of the rows do not matter. It takes n³/3 + n²k
 * multiply-adds.
 * @throws ShapeError when A is not square or is singular, when B has another number of rows, for empty matrices, or for entries that are
 * not finite.
 */
export function solve(a: Matrix, b: Matrix): Matrix {
  checkMatrix("solve", a);
  checkMatrix("solve", b);
  const n = a.rows;
  if (a.columns !== n || b.rows !== n)
    throw new ShapeError(`solve: needs A:[n,n] and B:[n,k], got A:${a.rows}×${a.columns} and B:${b.rows}×${b.columns}`);
  const width = n + b.columns;
  const rows = Array.from({ length: n }, (_, i) => scaledRow(a, b, i));
  for (let column = 0; column < n; column++) {
    let best = column;
    for (let i = column + 1; i < n; i++) if (Math.abs(rows[i]![column]!) > Math.abs(rows[best]![column]!)) best = i;
    [rows[column], rows[best]] = [rows[best]!, rows[column]!];
    const pivotRow = rows[column]!;
    const pivot = pivotRow[column]!;
    if (pivot === 0) throw new ShapeError(`solve: A is singular, because no row is left with an entry in column ${column}`);
    for (let i = column + 1; i < n; i++) {
      const row = rows[i]!;
      const factor = row[column]! / pivot;
      for (let j = column + 1; j < width; j++) row[j]! -= factor * pivotRow[j]!;
    }
  }
  const x = matrix(n, b.columns);
  for (let i = n - 1; i >= 0; i--)
    for (let c = 0; c < b.columns; c++) {
      let sum = rows[i]![n + c]!;
      for (let k = i + 1; k < n; k++) sum -= rows[i]![k]! * x.data[k * b.columns + c]!;
      x.data[i * b.columns + c] = sum / rows[i]![i]!;
    }
  return x;
}

/** Row i of A and of B, divided by a power of two near the largest entry of the row of A. */
function scaledRow(a: Matrix, b: Matrix, i: number): Float64Array {
  const n = a.columns;
  const left = a.data.subarray(i * n, (i + 1) * n);
  const scale = powerOfTwoNear(left);
  const row = new Float64Array(n + b.columns);
  for (let j = 0; j < n; j++) row[j] = left[j]! / scale;
  for (let c = 0; c < b.columns; c++) row[n + c] = b.data[i * b.columns + c]! / scale;
  return row;
}

/** A pivot counts as zero if it is at most this fraction of the largest diagonal entry. */
const negligible = 1e-14;

/**
 * X with G·X = B, for symmetric positive semidefinite G:[n,n] and B:[n,k], by the Cholesky factorisation (Golub & Van Loan §4.2). A pivot
 * of zero means that the row depends linearly on the rows before it. Its unknown is set to 0, which picks one of the many solutions.
 */
export function solvePositive(g: Matrix, b: Matrix): Matrix {
  const n = g.rows;
  const l = Float64Array.from(g.data);
  let top = 0;
  for (let i = 0; i < n; i++) top = Math.max(top, g.data[i * n + i]!);
  const dependent = new Uint8Array(n);
  for (let j = 0; j < n; j++) {
    let pivot = l[j * n + j]!;
    for (let k = 0; k < j; k++) pivot -= l[j * n + k]! ** 2;
    dependent[j] = pivot <= negligible * top ? 1 : 0;
    const root = dependent[j] ? 1 : Math.sqrt(pivot);
    l[j * n + j] = root;
    for (let i = j + 1; i < n; i++) {
      let sum = l[i * n + j]!;
      for (let k = 0; k < j; k++) sum -= l[i * n + k]! * l[j * n + k]!;
      l[i * n + j] = dependent[j] ? 0 : sum / root;
    }
  }
  const x = matrix(n, b.columns, Float64Array.from(b.data));
  const m = b.columns;
  for (let c = 0; c < m; c++) {
    for (let i = 0; i < n; i++) {
      let sum = x.data[i * m + c]!;
      for (let k = 0; k < i; k++) sum -= l[i * n + k]! * x.data[k * m + c]!;
      x.data[i * m + c] = dependent[i] ? 0 : sum / l[i * n + i]!;
    }
    for (let i = n - 1; i >= 0; i--) {
      let sum = x.data[i * m + c]!;
      for (let k = i + 1; k < n; k++) sum -= l[k * n + i]! * x.data[k * m + c]!;
      x.data[i * m + c] = dependent[i] ? 0 : sum / l[i * n + i]!;
    }
  }
  return x;
}
