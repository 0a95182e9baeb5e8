/**
 * Dense float64 matrices for decompositions. They are plain row-major arrays, apart from tensors, because decompositions run once and
 * synchronously.
 */

import { ShapeError } from "../core/errors.ts";
import { typedArrayName } from "../core/typed-arrays.ts";

/** A matrix whose element (i, j) is data[i·columns + j]. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly data: Float64Array;
}

/**
 * The values as float64. A Float64Array is used without a copy, also one of another realm.
 * @throws ShapeError for values that are no numbers.
 */
export function float64Values(op: string, data: ArrayLike<number>): Float64Array {
  const name = typedArrayName(data);
  if (name === "Float64Array") return data as Float64Array;
  const plain: readonly unknown[] = name === undefined ? Array.from(data) : [];
  const wrong = plain.findIndex((value) => typeof value !== "number");
  if (wrong >= 0 || name?.startsWith("Big"))
    throw new ShapeError(
      `${op}: values must be numbers, got ${name ?? `${String(plain[wrong])} at position ${wrong}`}; ` +
        "convert them with Float64Array.from(values, Number)",
    );
  return Float64Array.from(data);
}

/**
 * A matrix of the given values, by default zeros. A Float64Array is used without a copy.
 * @throws ShapeError unless there are rows·columns values, all of them numbers.
 */
export function matrix(rows: number, columns: number, data: ArrayLike<number> = new Float64Array(rows * columns)): Matrix {
  if (!(Number.isInteger(rows) && Number.isInteger(columns) && rows >= 0 && columns >= 0) || data.length !== rows * columns)
    throw new ShapeError(`matrix: needs rows·columns values, got ${data.length} for ${rows}×${columns}`);
  return { rows, columns, data: float64Values("matrix", data) };
}

/** @throws ShapeError unless the matrix of a decomposition has entries and all of them are finite. */
export function checkMatrix(op: string, { rows, columns, data }: Matrix): void {
  if (rows === 0 || columns === 0) throw new ShapeError(`${op}: the matrix must not be empty, got ${rows}×${columns}`);
  checkFinite(op, data);
}

/** @throws ShapeError unless all entries are finite. */
export function checkFinite(op: string, data: Float64Array): void {
  for (let i = 0; i < data.length; i++)
    if (!Number.isFinite(data[i])) throw new ShapeError(`${op}: entries must be finite, got ${data[i]} at position ${i}`);
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
 * A·B. The loops add up whole rows, so that both operands are read in the order of memory. NaN and ∞ follow IEEE 754: 0·∞ is NaN.
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

/** diag(d)·A, which multiplies row i by d_i. */
export function scaleRows({ rows, columns, data }: Matrix, d: ArrayLike<number>): Matrix {
  const out = matrix(rows, columns);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) out.data[i * columns + j] = d[i]! * data[i * columns + j]!;
  return out;
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

/**
 * The power of two near the largest entry, and 1 if all are 0. Division by it is exact. An algorithm that squares entries divides them by
 * it first, because a square must neither overflow nor vanish.
 */
export function powerOfTwoNear(values: ArrayLike<number>): number {
  let top = 0;
  for (let i = 0; i < values.length; i++) top = Math.max(top, Math.abs(values[i]!));
  return top === 0 ? 1 : 2 ** Math.max(-1000, Math.floor(Math.log2(top)));
}

/** The values times a factor. */
export const scaled = (values: Float64Array, factor: number): Float64Array => values.map((value) => value * factor);

/** ‖a − b‖/‖b‖ in the Frobenius norm. If b is zero, it is ‖a‖. */
export function relativeDistance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const size = frobenius(b);
  return frobenius(Float64Array.from(b, (value, i) => a[i]! - value)) / (size === 0 ? 1 : size);
}
