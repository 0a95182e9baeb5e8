/** A tied low-rank matrix near a given one: W = Vᵀ·V·T, where T stacks copies of the input. */

import { ShapeError } from "../core/errors.ts";
import { eigh } from "./eigh.ts";
import { checkMatrix, columnsOf, frobenius, type Matrix, matrix, powerOfTwoNear, product, scaled, transposed } from "./matrix.ts";
import { minimise } from "./minimise.ts";
import { svd } from "./svd.ts";

export interface TiedLowRank {
  /** V:[r,rows]. */
  readonly v: Matrix;
  /** ‖A − W‖. It is the least error E of any V if A is square, and at most √10·E + ‖A‖/100 otherwise. */
  readonly error: number;
}

/** The copies V₁, V₂, … of [r,columns] that V:[r,rows] consists of, added up. */
function folded({ rows, columns: whole, data }: Matrix, columns: number): Matrix {
  const out = matrix(rows, columns);
  for (let i = 0; i < rows; i++) for (let j = 0; j < whole; j++) out.data[i * columns + (j % columns)]! += data[i * whole + j]!;
  return out;
}

/** W = Vᵀ·(V₁ + V₂ + …) with V:[r,rows] and `columns` columns. @throws ShapeError unless the columns divide the rows. */
export function tiedLowRankToDense(v: Matrix, columns: number): Matrix {
  if (!Number.isInteger(v.columns / columns))
    throw new ShapeError(`tiedLowRankToDense: the columns must divide the rows, got ${v.columns}×${columns}`);
  return product(transposed(v), folded(v, columns));
}

/** ΣAₖ over the blocks A₁, A₂, … of `rows` rows that A consists of. */
function sumOfBlocks({ columns, data }: Matrix, rows: number): Matrix {
  const out = matrix(rows, columns);
  for (let at = 0; at < data.length; at++) out.data[at % out.data.length]! += data[at]!;
  return out;
}

/** (A + Aᵀ)/2. */
function symmetricPart(a: Matrix): Matrix {
  const { data } = transposed(a);
  return { ...a, data: a.data.map((value, at) => (value + data[at]!) / 2) };
}

/**
 * An eigenvalue of M below this share of the norm of its column of B is raised to it. Otherwise V would have large numbers that cancel in
 * ΣVₖ, and float32 could not hold it.
 */
const leastShare = 0.01;
/** An error below this share of ‖A‖ is rounding error. */
const negligible = 1e-9;

/**
 * V for given rows of W, the span of the orthonormal columns of Q:[columns,k].
 *
 * Write A as blocks A₁, …, A_m of [columns,columns], and W as blocks Bₖ·Qᵀ. The blocks of a tied matrix are those for which ΣBₖ = Q·M with a
 * positive semidefinite M. So the best M is the positive part of Qᵀ·(ΣAₖ)·Q, and the best Bₖ is Aₖ·Q less an equal share of the rest. With
 * M = Cᵀ·C, Vₖ = C⁻ᵀ·Bₖᵀ.
 */
function tiedOn(a: Matrix, q: Matrix, rank: number, share: number): Matrix {
  const [n, k] = [q.rows, q.columns];
  const copies = a.rows / n;
  const projected = product(a, q);
  const sum = sumOfBlocks(projected, n);
  const { values, vectors } = eigh(symmetricPart(product(transposed(q), sum)));
  const along = product(q, vectors);
  const b = product(projected, vectors);
  const sums = product(sum, vectors);
  const v = matrix(rank, a.rows);
  for (let t = 0; t < k; t++) {
    const wanted = Math.max(0, values[t]!);
    for (let i = 0; i < a.rows; i++) b.data[i * k + t]! -= (sums.data[(i % n) * k + t]! - wanted * along.data[(i % n) * k + t]!) / copies;
    const size = frobenius(Float64Array.from({ length: a.rows }, (_, i) => b.data[i * k + t]!));
    const value = Math.max(wanted, share * size);
    if (value <= Number.EPSILON * size) continue;
    const rest = (value - wanted) / copies;
    for (let i = 0; i < a.rows; i++) v.data[t * a.rows + i] = (b.data[i * k + t]! + rest * along.data[(i % n) * k + t]!) / Math.sqrt(value);
  }
  return v;
}

/** The weight of ‖V‖⁴ beside the squared error, which keeps V from growing. For a V without cancellation it is negligible. */
const growth = 1e-7;

/** ½‖Vᵀ·F − A‖² + ½·growth·‖V‖⁴ with F = ΣVₖ. The gradient of the first part is F·Rᵀ + V·R for each copy, where R = Vᵀ·F − A. */
function lossAt(point: Float64Array, a: Matrix, rank: number): { value: number; gradient: Float64Array } {
  const v = matrix(rank, a.rows, point);
  const sum = folded(v, a.columns);
  const rest = product(transposed(v), sum);
  for (let i = 0; i < rest.data.length; i++) rest.data[i]! -= a.data[i]!;
  const gradient = product(sum, transposed(rest));
  const shared = product(v, rest);
  for (let t = 0; t < rank; t++)
    for (let i = 0; i < a.rows; i++) gradient.data[t * a.rows + i]! += shared.data[t * a.columns + (i % a.columns)]!;
  const square = frobenius(point) ** 2;
  for (let i = 0; i < point.length; i++) gradient.data[i]! += 2 * growth * square * point[i]!;
  return { value: (frobenius(rest.data) ** 2 + growth * square ** 2) / 2, gradient: gradient.data };
}

/**
 * A tied low-rank matrix near A:[rows,columns].
 *
 * For a square A it is the nearest one: the part of (A + Aᵀ)/2 with the r largest positive eigenvalues. Otherwise the rows of W are first
 * taken from the truncated SVD, and from the eigenvectors of the sum of the square blocks of A. For given rows the best V is known, and the
 * better V of the two starts a descent. The first of them is within √10 of the optimum: leaving rows out costs at most the least error E,
 * and the condition on the sum at most 3·E. Keeping V from growing costs ‖A‖/100 at most. A matrix of the form is found again.
 * @throws ShapeError unless the columns divide the rows, for a rank below 1, an empty matrix, or entries that are not finite.
 */
export function nearestTiedLowRank(a: Matrix, rank: number): TiedLowRank {
  checkMatrix("nearestTiedLowRank", a);
  if (!Number.isInteger(rank) || rank < 1) throw new ShapeError(`nearestTiedLowRank: rank must be an integer ≥ 1, got ${rank}`);
  const copies = a.rows / a.columns;
  if (!Number.isInteger(copies)) throw new ShapeError(`nearestTiedLowRank: the columns must divide the rows, got ${a.rows}×${a.columns}`);
  // W is quadratic in V, so the scale must have an exact root.
  const scale = 4 ** Math.floor(Math.log2(powerOfTwoNear(a.data)) / 2);
  const target = { ...a, data: scaled(a.data, 1 / scale) };
  const kept = Math.min(rank, a.columns);
  const { vectors } = eigh(symmetricPart(sumOfBlocks(target, a.columns)));
  const rows = [columnsOf(vectors, a.columns - kept, a.columns)];
  if (copies > 1) rows.push(columnsOf(svd(target).v, 0, kept));
  const errorOf = (v: Matrix): number => {
    const { data } = tiedLowRankToDense(v, a.columns);
    return frobenius(data.map((value, i) => value - target.data[i]!));
  };
  const nearer = (one: Matrix, other: Matrix): Matrix => (errorOf(other) < errorOf(one) ? other : one);
  let best = rows.map((q) => tiedOn(target, q, rank, 0)).reduce(nearer);
  if (copies > 1 && errorOf(best) > negligible * frobenius(target.data)) {
    best = rows.map((q) => tiedOn(target, q, rank, leastShare)).reduce(nearer);
    best = nearer(best, matrix(rank, a.rows, minimise((point) => lossAt(point, target, rank), best.data).point));
  }
  return { v: { ...best, data: scaled(best.data, Math.sqrt(scale)) }, error: errorOf(best) * scale };
}
