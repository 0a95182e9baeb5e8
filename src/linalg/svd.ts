/**
 * The singular value decomposition, by one-sided Jacobi rotations on a triangular factor.
 *
 * Jacobi's method needs neither shifts nor deflation, and repeated or zero singular values are no special case (Demmel & Veselić 1992, SIAM
 * J. Matrix Anal. 13; Drmač & Veselić 2008). Two QR factorisations come first. They make the matrix square and nearly diagonal. So the
 * rotations work on n×n entries instead of m×n and need only a few sweeps. docs/derivations/decompositions.md explains the method and its
 * accuracy.
 */

import { checkMatrix, frobenius, type Matrix, matrix, powerOfTwoNear, product, transposed } from "./matrix.ts";
import { qr } from "./qr.ts";

/**
 * A = U·diag(s)·Vᵀ, with u:[m,r], s:[r] and v:[n,r] for r = min(m, n). s is in descending order. U and V have orthonormal columns, even for
 * singular values of 0.
 */
export interface Svd {
  readonly u: Matrix;
  readonly s: Float64Array;
  readonly v: Matrix;
}

/** The largest number of sweeps over all pairs of columns. A few suffice in practice. */
const maximumSweeps = 60;

/**
 * The thin singular value decomposition.
 *
 * The absolute error of each singular value is at most a small multiple of ε·s₁, where ε is 2⁻⁵² and s₁ is the largest singular value. If
 * A = B·D with a diagonal D and a well-conditioned B, then even the small singular values have a small relative error. The columns of A may
 * therefore differ in norm. If the rows of A differ in norm, the small singular values have no such accuracy.
 * @throws ShapeError for an empty matrix, or entries that are not finite.
 */
export function svd(a: Matrix): Svd {
  checkMatrix("svd", a);
  if (a.rows < a.columns) {
    const { u, s, v } = svd(transposed(a));
    return { u: v, s, v: u };
  }
  const n = a.columns;
  const scale = powerOfTwoNear(a.data);
  const { matrix: sorted, order } = sortedColumns(
    matrix(
      a.rows,
      n,
      a.data.map((value) => value / scale),
    ),
  );
  const first = qr(sorted);
  const second = qr(transposed(first.r));
  const { w, rotations, s } = jacobi(transposed(second.r));
  // A·P = Q₁·R and Rᵀ = Q₂·R₂, so R = R₂ᵀ·Q₂ᵀ; R₂ᵀ = W·diag(s)·Jᵀ gives A·P = (Q₁·W)·diag(s)·(Q₂·J)ᵀ.
  const right = product(second.q, rotations);
  const v = matrix(n, n);
  for (let i = 0; i < n; i++) v.data.set(right.data.subarray(i * n, (i + 1) * n), order[i]! * n);
  return { u: product(first.q, w), s: s.map((value) => value * scale), v };
}

/** The matrix with its columns sorted from the largest norm to the smallest, and the index that each column had before. */
function sortedColumns(a: Matrix): { matrix: Matrix; order: number[] } {
  const columns = transposed(a);
  const norms = Array.from({ length: a.columns }, (_, j) => frobenius(columns.data.subarray(j * a.rows, (j + 1) * a.rows)));
  const order = norms.map((_, j) => j).sort((i, j) => norms[j]! - norms[i]! || i - j);
  const out = matrix(a.columns, a.rows);
  for (const [to, from] of order.entries()) out.data.set(columns.data.subarray(from * a.rows, (from + 1) * a.rows), to * a.rows);
  return { matrix: transposed(out), order };
}

/**
 * L·J = W·diag(s) for a square L, where J is the matrix `rotations`. J is the product of rotations, each of which makes two columns
 * orthogonal. The rotations are repeated until all columns are orthogonal, for at most `maximumSweeps` sweeps. Then the columns of W and J
 * are sorted so that s is in descending order.
 */
function jacobi(l: Matrix): { w: Matrix; rotations: Matrix; s: Float64Array } {
  const n = l.rows;
  const columns = transposed(l).data; // Column j of L starts at columns[j·n].
  const basis = new Float64Array(n * n);
  for (let j = 0; j < n; j++) basis[j * n + j] = 1;
  const tolerance = n * Number.EPSILON;
  for (let sweep = 0, rotated = true; rotated && sweep < maximumSweeps; sweep++) {
    rotated = false;
    for (let i = 0; i < n - 1; i++) for (let j = i + 1; j < n; j++) if (orthogonalise(columns, basis, i, j, n, tolerance)) rotated = true;
  }
  const norms = Float64Array.from({ length: n }, (_, j) => frobenius(columns.subarray(j * n, (j + 1) * n)));
  const order = Array.from(norms, (_, j) => j).sort((i, j) => norms[j]! - norms[i]! || i - j);
  const s = Float64Array.from(order, (j) => norms[j]!);
  const [w, rotations] = [matrix(n, n), matrix(n, n)];
  order.forEach((from, to) => {
    for (let i = 0; i < n; i++) {
      rotations.data[i * n + to] = basis[from * n + i]!;
      w.data[i * n + to] = s[to]! > 0 ? columns[from * n + i]! / s[to]! : 0;
    }
  });
  completeBasis(w, s);
  return { w, rotations, s };
}

/**
 * Rotates columns i and j by Rutishauser's formulas, so that they become orthogonal. The function returns false if the columns were already
 * orthogonal within the tolerance.
 */
function orthogonalise(columns: Float64Array, basis: Float64Array, i: number, j: number, n: number, tolerance: number): boolean {
  const [p, q] = [i * n, j * n];
  let [alpha, beta, gamma] = [0, 0, 0];
  for (let k = 0; k < n; k++) {
    const [x, y] = [columns[p + k]!, columns[q + k]!];
    alpha += x * x;
    beta += y * y;
    gamma += x * y;
  }
  if (Math.abs(gamma) <= tolerance * Math.sqrt(alpha * beta) || gamma === 0) return false;
  const zeta = (beta - alpha) / (2 * gamma);
  const t = Math.sign(zeta || 1) / (Math.abs(zeta) + Math.hypot(1, zeta));
  const c = 1 / Math.hypot(1, t);
  rotate(columns, p, q, n, c, c * t);
  rotate(basis, p, q, n, c, c * t);
  return true;
}

/** Rotates two columns by the angle with the cosine c and the sine s. */
function rotate(values: Float64Array, p: number, q: number, n: number, c: number, s: number): void {
  for (let k = 0; k < n; k++) {
    const x = values[p + k]!;
    const y = values[q + k]!;
    values[p + k] = c * x - s * y;
    values[q + k] = s * x + c * y;
  }
}

/**
 * Replaces every column of w whose singular value is negligible, because such a column holds only rounding error. Afterwards all columns of
 * w are orthonormal.
 */
function completeBasis(w: Matrix, s: Float64Array): void {
  const n = w.rows;
  const negligible = (s[0] ?? 0) * n * Number.EPSILON;
  let candidate = 0;
  for (let j = 0; j < n; j++) {
    if (s[j]! > negligible) continue;
    for (; candidate < n; candidate++) {
      const vector = new Float64Array(n);
      vector[candidate] = 1;
      // Two passes of Gram–Schmidt are enough: the second one removes the rounding error of the first (Kahan, in Parlett 1980, §6.9).
      for (let pass = 0; pass < 2; pass++)
        for (let k = 0; k < n; k++) {
          if (k !== j && (s[k]! > negligible || k < j)) {
            let dot = 0;
            for (let i = 0; i < n; i++) dot += vector[i]! * w.data[i * n + k]!;
            for (let i = 0; i < n; i++) vector[i]! -= dot * w.data[i * n + k]!;
          }
        }
      const size = frobenius(vector);
      if (size > 0.5 / Math.sqrt(n)) {
        for (let i = 0; i < n; i++) w.data[i * n + j] = vector[i]! / size;
        candidate++;
        break;
      }
    }
  }
}
