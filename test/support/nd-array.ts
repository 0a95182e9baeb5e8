/** Arrays as functions of an index tuple: the oracle's side of every comparison. It knows nothing of strides, views or kernels. */

import { expect } from "vitest";
import type { Shape } from "../../src/core/shape.ts";
import { tensor } from "../../src/ops/creation.ts";
import type { DType } from "../../src/tensor/storage.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";

type Index = readonly number[];

export interface NdArray {
  readonly shape: Shape;
  readonly values: readonly number[];
}

/** Every index tuple of `shape`, the last axis fastest. */
export function* indicesOf(shape: Shape): Generator<Index> {
  const [size, ...rest] = shape;
  if (size === undefined) yield [];
  else for (let i = 0; i < size; i++) for (const tail of indicesOf(rest)) yield [i, ...tail];
}

export const build = (shape: Shape, at: (index: Index) => number): NdArray => ({ shape, values: [...indicesOf(shape)].map(at) });

/** The element at an index, counted out by Horner's rule. */
export const at = ({ shape, values }: NdArray, index: Index): number =>
  values[index.reduce((place, i, axis) => place * shape[axis]! + i, 0)]!;

/** The element under NumPy broadcasting: surplus leading indices fall away, axes of size 1 repeat. */
export const broadcastAt = (array: NdArray, index: Index): number =>
  at(
    array,
    index.slice(index.length - array.shape.length).map((i, axis) => (array.shape[axis] === 1 ? 0 : i)),
  );

export const toTensor = ({ shape, values }: NdArray, dtype: DType = "float64"): Tensor =>
  tensor(Float64Array.from(values), { shape, dtype });

export const toArray = async (x: Tensor): Promise<NdArray> => ({ shape: x.shape, values: [...(await x.data())] });

/** The same shape, and every element within `tolerance` relative to max(1, |expected|); infinities and NaN must match exactly. */
export async function expectTensor(got: Tensor, expected: NdArray, tolerance = 1e-12): Promise<void> {
  expect([...got.shape]).toEqual([...expected.shape]);
  expectValues(await got.data(), expected.values, tolerance);
}

export function expectValues(got: ArrayLike<number>, expected: ArrayLike<number>, tolerance = 1e-12): void {
  expect(got.length).toBe(expected.length);
  for (let i = 0; i < expected.length; i++) {
    const [value, wanted] = [got[i]!, expected[i]!];
    const fits = Object.is(value, wanted) || value === wanted || Math.abs(value - wanted) <= tolerance * Math.max(1, Math.abs(wanted));
    if (!fits) expect.fail(`element ${i}: got ${value}, expected ${wanted} (tolerance ${tolerance})`);
  }
}
