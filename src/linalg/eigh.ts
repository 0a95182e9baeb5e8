/** Eigenvalues and eigenvectors of symmetric matrices, by Jacobi's rotations (Golub & Van Loan, Matrix Computations, §8.5). */

import { ShapeError } from "../core/errors.ts";
import { checkMatrix, type Matrix, matrix, powerOfTwoNear } from "./matrix.ts";

/** A = V·diag(values)·Vᵀ. */
export interface Eigh {
  /** The n eigenvalues, from the smallest to the largest. */
  readonly values: Float64Array;
  /** V:[n,n], orthogonal. Column j is the eigenvector of values[j]. */
  readonly vectors: Matrix;
}

/** The largest number of sweeps over all pairs of rows. The convergence is quadratic, so a few suffice. */
const maximumSweeps = 60;

/**
 * The eigenvalues and eigenvectors of a symmetric A:[n,n]. Only the lower triangle of A is read, as in NumPy and PyTorch. Each eigenvalue
 * is found within a small multiple of ε·‖A‖, and V is orthogonal to rounding, also for repeated eigenvalues.
 * @throws ShapeError for a matrix that is not square, an empty one, or entries that are not finite.
 */
export function eigh(a: Matrix): Eigh {
  checkMatrix("eigh", a);
  const n = a.rows;
  if (a.columns !== n) throw new ShapeError(`eigh: the matrix must be square, got ${n}×${a.columns}`);
  const scale = powerOfTwoNear(a.data);
  const work = new Float64Array(n * n);
  for (let i = 0; i < n; i++) for (let j = 0; j <= i; j++) work[i * n + j] = work[j * n + i] = a.data[i * n + j]! / scale;
  const rows = new Float64Array(n * n); // Row j is the eigenvector j, so that rotations read memory in order.
  for (let j = 0; j < n; j++) rows[j * n + j] = 1;
  for (let sweep = 0, rotated = true; rotated && sweep < maximumSweeps; sweep++) {
    rotated = false;
    for (let p = 0; p < n - 1; p++) for (let q = p + 1; q < n; q++) if (annihilate(work, rows, n, p, q)) rotated = true;
  }
  const order = Array.from({ length: n }, (_, j) => j).sort((i, j) => work[i * n + i]! - work[j * n + j]! || i - j);
  const vectors = matrix(n, n);
  order.forEach((from, to) => {
    for (let i = 0; i < n; i++) vectors.data[i * n + to] = rows[from * n + i]!;
  });
  return { values: Float64Array.from(order, (j) => work[j * n + j]! * scale), vectors };
}

/** Makes the entry (p, q) zero by a rotation of rows and columns p and q. It returns false if the entry is negligible already. */
function annihilate(work: Float64Array, rows: Float64Array, n: number, p: number, q: number): boolean {
  const [app, aqq, apq] = [work[p * n + p]!, work[q * n + q]!, work[p * n + q]!];
  if (apq === 0) return false;
  if (Math.abs(apq) <= (Number.EPSILON / 4) * Math.min(Math.abs(app), Math.abs(aqq)) || Math.abs(apq) < smallestEntry) {
    work[p * n + q] = work[q * n + p] = 0;
    return false;
  }
  const zeta = (aqq - app) / (2 * apq);
  const t = Math.sign(zeta || 1) / (Math.abs(zeta) + Math.hypot(1, zeta));
  const c = 1 / Math.hypot(1, t);
  const s = c * t;
  for (let k = 0; k < n; k++) {
    const [x, y] = [rows[p * n + k]!, rows[q * n + k]!];
    rows[p * n + k] = c * x - s * y;
    rows[q * n + k] = s * x + c * y;
    if (k === p || k === q) continue;
    const [u, v] = [work[p * n + k]!, work[q * n + k]!];
    work[p * n + k] = work[k * n + p] = c * u - s * v;
    work[q * n + k] = work[k * n + q] = s * u + c * v;
  }
  work[p * n + p] = app - t * apq;
  work[q * n + q] = aqq + t * apq;
  work[p * n + q] = work[q * n + p] = 0;
  return true;
}

/** The largest entry is near 1, so an entry below this changes no eigenvalue by more than rounding does. */
const smallestEntry = 1e-20;
