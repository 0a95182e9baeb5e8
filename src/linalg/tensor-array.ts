/** Dense float64 tensors for decompositions, and the unfoldings that turn a tensor into a matrix and back. */

import { ShapeError } from "../core/errors.ts";
import { checkShape, formatShape, normalizeAxis, type Shape, sizeOf, stridesOf } from "../core/shape.ts";
import { checkFinite, float64Values, type Matrix, matrix, product, transposed } from "./matrix.ts";

/** A tensor in row-major order. */
export interface TensorArray {
  readonly shape: Shape;
  readonly data: Float64Array;
}

/**
 * A tensor of the given values, by default zeros. A Float64Array is used without a copy.
 * @throws ShapeError unless the shape has sizes ≥ 0 and the values are numbers that fill it.
 */
export function tensorArray(shape: Shape, data?: ArrayLike<number>): TensorArray {
  checkShape("tensorArray", shape);
  const size = sizeOf(shape);
  if (data === undefined) return { shape, data: new Float64Array(size) };
  if (data.length !== size) throw new ShapeError(`tensorArray: needs ${size} values for [${shape}], got ${data.length}`);
  return { shape, data: float64Values("tensorArray", data) };
}

/** @throws ShapeError unless the tensor of a decomposition has axes, no axis is empty, and all entries are finite. */
export function checkTensorArray(op: string, { shape, data }: TensorArray): void {
  if (shape.length === 0 || sizeOf(shape) === 0) throw new ShapeError(`${op}: needs axes, none of them empty, got ${formatShape(shape)}`);
  checkFinite(op, data);
}

/** The sizes of a tensor around axis k: the axes before it, the axis itself, and the axes behind it. */
function around(op: string, shape: Shape, mode: number): { outer: number; size: number; inner: number } {
  const axis = normalizeAxis(op, mode, shape.length);
  return { outer: sizeOf(shape.slice(0, axis)), size: shape[axis]!, inner: sizeOf(shape.slice(axis + 1)) };
}

/**
 * The mode-k unfolding X_(k) of X:[d₀,d₁,…], for k = `mode`. Its rows are the indices of axis k, and its columns are the indices of all
 * other axes in row-major order. Kolda & Bader 2009, §2.4, order the columns differently.
 * @throws ShapeError when X has no axis `mode`.
 */
export function unfold({ shape, data }: TensorArray, mode: number): Matrix {
  const { outer, size, inner } = around("unfold", shape, mode);
  const out = matrix(size, outer * inner);
  for (let o = 0; o < outer; o++)
    for (let i = 0; i < size; i++)
      out.data.set(data.subarray((o * size + i) * inner, (o * size + i + 1) * inner), i * outer * inner + o * inner);
  return out;
}

/**
 * The tensor of shape `shape` whose mode-k unfolding is `unfolded`: the inverse of `unfold`.
 * @throws ShapeError unless `unfolded` has the shape of that unfolding.
 */
export function fold(unfolded: Matrix, shape: Shape, mode: number): TensorArray {
  checkShape("fold", shape);
  const { outer, size, inner } = around("fold", shape, mode);
  if (unfolded.rows !== size || unfolded.columns !== outer * inner)
    throw new ShapeError(
      `fold: the mode-${mode} unfolding of ${formatShape(shape)} is ${size}×${outer * inner}, got ${unfolded.rows}×${unfolded.columns}`,
    );
  const out = tensorArray(shape);
  for (let o = 0; o < outer; o++)
    for (let i = 0; i < size; i++)
      out.data.set(unfolded.data.subarray(i * outer * inner + o * inner, i * outer * inner + (o + 1) * inner), (o * size + i) * inner);
  return out;
}

/**
 * X ×_k M, the mode-k product with M:[m, d_k] (Kolda & Bader 2009, §2.5). It multiplies every mode-k fibre of X by M, so the axis k of the
 * result has the size m.
 * @throws ShapeError when X has no axis `mode`, or when M does not have as many columns as that axis is long.
 */
export function modeProduct(x: TensorArray, m: Matrix, mode: number): TensorArray {
  const axis = normalizeAxis("modeProduct", mode, x.shape.length);
  if (m.columns !== x.shape[axis])
    throw new ShapeError(
      `modeProduct: M must have ${x.shape[axis]} columns for axis ${axis} of ${formatShape(x.shape)}, got ${m.rows}×${m.columns}`,
    );
  const shape = x.shape.map((size, k) => (k === axis ? m.rows : size));
  return fold(product(m, unfold(x, axis)), shape, axis);
}

/** X ×_k Mᵀ, the mode-k product with the transpose of M. */
export const modeProductTransposed = (x: TensorArray, m: Matrix, mode: number): TensorArray => modeProduct(x, transposed(m), mode);

/** X with its axes in the order `order`. */
export function permuted(x: TensorArray, order: readonly number[]): TensorArray {
  const shape = order.map((axis) => x.shape[axis]!);
  const from = stridesOf(x.shape);
  const strides = order.map((axis) => from[axis]!);
  const out = tensorArray(shape);
  const index = new Array<number>(shape.length).fill(0);
  let source = 0;
  for (let at = 0; at < out.data.length; at++) {
    out.data[at] = x.data[source]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      source += strides[axis]!;
      if (++index[axis]! < shape[axis]!) break;
      source -= strides[axis]! * shape[axis]!;
      index[axis] = 0;
    }
  }
  return out;
}
