/**
 * Dense float64 matrices for decompositions. They are plain row-major arrays, apart from tensors, because decompositions run once and
 * synchronously.
 */

import { ShapeError } from "../core/errors.ts";

/** A matrix whose element (i, j) is data[i·columns + j]. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly data: Float64Array;
}

/**
 * A matrix of the given values, by default zeros. A Float64Array is used without a copy.
 * @throws ShapeError unless there are rows·columns values.
 */
export function matrix(rows: number, columns: number, data: ArrayLike<number> = new Float64Array(rows * columns)): Matrix {
  if (!(Number.isInteger(rows) && Number.isInteger(columns) && rows >= 0 && columns >= 0) || data.length !== rows * columns)
    throw new ShapeError(`matrix: needs rows·columns values, got ${data.length} for ${rows}×${columns}`);
  return { rows, columns, data: data instanceof Float64Array ? data : Float64Array.from(data) };
}

/** The identity matrix. */
export function identity(size: number): Matrix {
  const out = matrix(size, size);
  for (let i = 0; i < size; i++) out.data[i * size + i] = 1;
  return out;
}

/** Aᵀ. */
export function transposed({ rows, columns, data }: Matrix): Matrix {
  const out = matrix(columns, rows);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) out.data[j * rows + i] = data[i * columns + j]!;
  return out;
}

/**
 * A·B. The loops add up whole rows, so that both operands are read in the order of memory.
 * @throws ShapeError when the inner sizes differ.
 */
export function product(a: Matrix, b: Matrix): Matrix {
  if (a.columns !== b.rows) throw new ShapeError(`product: inner sizes must agree, got ${a.rows}×${a.columns} · ${b.rows}×${b.columns}`);
  const out = matrix(a.rows, b.columns);
  const n = b.columns;
  for (let i = 0; i < a.rows; i++) {
    const row = out.data.subarray(i * n, (i + 1) * n);
    for (let k = 0; k < a.columns; k++) {
      const factor = a.data[i * a.columns + k]!;
      if (factor === 0) continue;
      const from = k * n;
      for (let j = 0; j < n; j++) row[j]! += factor * b.data[from + j]!;
    }
  }
  return out;
}

/** The columns of A from `from` up to `to`, exclusive. */
export function columnsOf(a: Matrix, from: number, to: number): Matrix {
  const out = matrix(a.rows, to - from);
  for (let i = 0; i < a.rows; i++) out.data.set(a.data.subarray(i * a.columns + from, i * a.columns + to), i * out.columns);
  return out;
}

/** A·diag(d), which multiplies column j by d_j. */
export function scaleColumns(a: Matrix, d: ArrayLike<number>): Matrix {
  return matrix(
    a.rows,
    a.columns,
    a.data.map((value, at) => value * d[at % a.columns]!),
  );
}

/** The Frobenius norm √Σ a². It divides by the largest entry first, so that no square overflows. */
export function frobenius(values: ArrayLike<number>): number {
  let top = 0;
  for (let i = 0; i < values.length; i++) top = Math.max(top, Math.abs(values[i]!));
  if (top === 0 || !Number.isFinite(top)) return top;
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += (values[i]! / top) ** 2;
  return top * Math.sqrt(sum);
}

/** ‖a − b‖/‖b‖ in the Frobenius norm. If b is zero, it is ‖a‖. */
export function relativeDistance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const size = frobenius(b);
  return frobenius(Float64Array.from(b, (value, i) => a[i]! - value)) / (size === 0 ? 1 : size);
}
