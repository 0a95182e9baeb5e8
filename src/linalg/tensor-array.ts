/** Dense float64 tensors for decompositions, and the unfoldings that turn a tensor into a matrix and back. */

import { ShapeError } from "../core/errors.ts";
import { type Shape, sizeOf, stridesOf } from "../core/shape.ts";
import { type Matrix, matrix, product, transposed } from "./matrix.ts";

/** A tensor in row-major order. */
export interface TensorArray {
  readonly shape: Shape;
  readonly data: Float64Array;
}

/**
 * A tensor of the given values, by default zeros. A Float64Array is used without a copy.
 * @throws ShapeError unless the values fill the shape.
 */
export function tensorArray(shape: Shape, data: ArrayLike<number> = new Float64Array(sizeOf(shape))): TensorArray {
  if (data.length !== sizeOf(shape)) throw new ShapeError(`tensorArray: needs ${sizeOf(shape)} values for [${shape}], got ${data.length}`);
  return { shape, data: data instanceof Float64Array ? data : Float64Array.from(data) };
}

/**
 * The mode-k unfolding X_(k). Its rows are the indices of axis k, and its columns are the indices of all other axes in row-major order.
 * Kolda & Bader 2009, §2.4, order the columns differently.
 */
export function unfold({ shape, data }: TensorArray, mode: number): Matrix {
  const size = shape[mode]!;
  const inner = sizeOf(shape.slice(mode + 1));
  const outer = sizeOf(shape.slice(0, mode));
  const out = matrix(size, outer * inner);
  for (let o = 0; o < outer; o++)
    for (let i = 0; i < size; i++)
      out.data.set(data.subarray((o * size + i) * inner, (o * size + i + 1) * inner), i * outer * inner + o * inner);
  return out;
}

/** The tensor of shape `shape` whose mode-k unfolding is `unfolded`. */
export function fold(unfolded: Matrix, shape: Shape, mode: number): TensorArray {
  const size = shape[mode]!;
  const inner = sizeOf(shape.slice(mode + 1));
  const outer = sizeOf(shape.slice(0, mode));
  const out = tensorArray(shape);
  for (let o = 0; o < outer; o++)
    for (let i = 0; i < size; i++)
      out.data.set(unfolded.data.subarray(i * outer * inner + o * inner, i * outer * inner + (o + 1) * inner), (o * size + i) * inner);
  return out;
}

/** X ×_k M, the mode-k product with M:[m, shape[k]]. It multiplies every mode-k fibre of X by M. */
export function modeProduct(x: TensorArray, m: Matrix, mode: number): TensorArray {
  const shape = x.shape.map((size, axis) => (axis === mode ? m.rows : size));
  return fold(product(m, unfold(x, mode)), shape, mode);
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
