/** The solution of symmetric positive semidefinite systems, which alternating least squares needs. */

import { type Matrix, matrix } from "./matrix.ts";

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
