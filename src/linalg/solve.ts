/** Symmetric positive (semi-)definite systems, as alternating least squares makes them. */

import { type Matrix, matrix } from "./matrix.ts";

/** Largest diagonal entry times this is where a pivot counts as zero. */
const negligible = 1e-14;

/**
 * X with G·X = B for symmetric positive semidefinite G:[n,n], B:[n,k], by Cholesky (Golub & Van Loan §4.2). A pivot that vanishes (linearly dependent
 * directions) gets its unknown set to 0: one of the solutions, where there are many.
 */
export function solvePositive(g: Matrix, b: Matrix): Matrix {
  const n = g.rows;
  const l = Float64Array.from(g.data);
  let top = 0;
  for (let i = 0; i < n; i++) top = Math.max(top, g.data[i * n + i]!);
  const dead = new Uint8Array(n);
  for (let j = 0; j < n; j++) {
    let pivot = l[j * n + j]!;
    for (let k = 0; k < j; k++) pivot -= l[j * n + k]! ** 2;
    dead[j] = pivot <= negligible * top ? 1 : 0;
    const root = dead[j] ? 1 : Math.sqrt(pivot);
    l[j * n + j] = root;
    for (let i = j + 1; i < n; i++) {
      let sum = l[i * n + j]!;
      for (let k = 0; k < j; k++) sum -= l[i * n + k]! * l[j * n + k]!;
      l[i * n + j] = dead[j] ? 0 : sum / root;
    }
  }
  const x = matrix(n, b.columns, Float64Array.from(b.data));
  const m = b.columns;
  for (let c = 0; c < m; c++) {
    for (let i = 0; i < n; i++) {
      let sum = x.data[i * m + c]!;
      for (let k = 0; k < i; k++) sum -= l[i * n + k]! * x.data[k * m + c]!;
      x.data[i * m + c] = dead[i] ? 0 : sum / l[i * n + i]!;
    }
    for (let i = n - 1; i >= 0; i--) {
      let sum = x.data[i * m + c]!;
      for (let k = i + 1; k < n; k++) sum -= l[k * n + i]! * x.data[k * m + c]!;
      x.data[i * m + c] = dead[i] ? 0 : sum / l[i * n + i]!;
    }
  }
  return x;
}
