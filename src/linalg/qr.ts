/**
 * The QR factorisation by Householder reflections (Golub & Van Loan, Matrix Computations, §5.2). It is backward stable for any shape, any
 * rank and any scale: ‖A − Q·R‖ is at most a small multiple of ε·‖A‖, as far as float64 can hold the entries of R.
 */

import { checkMatrix, type Matrix, matrix, powerOfTwoNear, scaled, transposed } from "./matrix.ts";

/** A = Q·R. */
export interface Qr {
  /** Q:[m, min(m,n)], with orthonormal columns. */
  readonly q: Matrix;
  /** R:[min(m,n), n], upper triangular. */
  readonly r: Matrix;
}

/**
 * The thin QR factorisation A = Q·R. It works on Aᵀ, whose rows are the columns of A, so that every inner loop reads memory in order. For m
 * ≥ n it takes about mn² − ⅓n³ multiply-adds for R, and as many for Q.
 * @throws ShapeError for an empty matrix, or entries that are not finite.
 */
export function qr(a: Matrix): Qr {
  checkMatrix("qr", a);
  const scale = extremeScale(a.data);
  if (scale !== 1) {
    const { q, r } = qr({ ...a, data: a.data.map((value) => value / scale) });
    return { q, r: { ...r, data: scaled(r.data, scale) } };
  }
  const { rows: m, columns: n } = a;
  const size = Math.min(m, n);
  const work = transposed(a).data; // Column j of A starts at work[j·m].
  const scales = new Float64Array(size);
  for (let k = 0; k < size; k++) {
    scales[k] = reflector(work, k * m + k, m - k);
    const head = work[k * m + k]!;
    // The vector v of the reflector lies in its own column. Its first element is 1, but the place holds an entry of R, so the 1 is written
    // in for a moment.
    work[k * m + k] = 1;
    for (let j = k + 1; j < n; j++) reflect(work, k * m + k, work, j * m + k, m - k, scales[k]!);
    work[k * m + k] = head;
  }
  const r = matrix(size, n);
  for (let j = 0; j < n; j++) for (let i = 0; i <= Math.min(j, size - 1); i++) r.data[i * n + j] = work[j * m + i]!;
  // Q is the product H₀·H₁·… applied to the first columns of the identity. The last reflector comes first.
  const q = matrix(size, m);
  for (let j = size - 1; j >= 0; j--) q.data[j * m + j] = 1;
  for (let k = size - 1; k >= 0; k--) {
    const head = work[k * m + k]!;
    work[k * m + k] = 1;
    for (let j = k; j < size; j++) reflect(work, k * m + k, q.data, j * m + k, m - k, scales[k]!);
    work[k * m + k] = head;
  }
  return { q: transposed(q), r };
}

/**
 * The power of two near the largest entry, if that entry is very large or very small, and else 1. Products of subnormal numbers would lose
 * their digits, and sums of the largest numbers would overflow.
 */
function extremeScale(values: Float64Array): number {
  const scale = powerOfTwoNear(values);
  return scale < 2 ** -500 || scale > 2 ** 500 ? scale : 1;
}

/**
 * The reflector I − β·v·vᵀ that takes x = values[at …] to (±‖x‖, 0, …, 0). It returns β, writes ±‖x‖ to values[at], and writes v₁, v₂, …
 * behind it. v₀ is 1.
 */
function reflector(values: Float64Array, at: number, length: number): number {
  let top = 0;
  for (let i = 0; i < length; i++) top = Math.max(top, Math.abs(values[at + i]!));
  if (top === 0 || length === 1) return 0;
  let tail = 0;
  for (let i = 1; i < length; i++) tail += (values[at + i]! / top) ** 2;
  if (tail === 0) return 0;
  const x0 = values[at]! / top;
  const norm = Math.sqrt(x0 * x0 + tail);
  const alpha = x0 > 0 ? -norm : norm; // The sign opposite to that of x₀, so that x₀ − α does not cancel.
  const v0 = x0 - alpha;
  for (let i = 1; i < length; i++) values[at + i]! /= top * v0;
  values[at] = alpha * top;
  return -v0 / alpha;
}

/** y ← (I − β·v·vᵀ)·y, for v = vs[v …] and y = ys[y …]. */
function reflect(vs: Float64Array, v: number, ys: Float64Array, y: number, length: number, beta: number): void {
  if (beta === 0) return;
  let dot = 0;
  for (let i = 0; i < length; i++) dot += vs[v + i]! * ys[y + i]!;
  dot *= beta;
  for (let i = 0; i < length; i++) ys[y + i]! -= dot * vs[v + i]!;
}
