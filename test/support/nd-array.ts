/** Arrays that are read by index tuples, for the oracles of tests. They do not use the strides, views or kernels of the library. */

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

/** Every index tuple of `shape` in row-major order. */
export function* indicesOf(shape: Shape): Generator<Index> {
  const [size, ...rest] = shape;
  if (size === undefined) yield [];
  else for (let i = 0; i < size; i++) for (const tail of indicesOf(rest)) yield [i, ...tail];
}

/** The array whose element at an index tuple is `at(index)`. */
export const build = (shape: Shape, at: (index: Index) => number): NdArray => ({ shape, values: [...indicesOf(shape)].map(at) });

/** The element at an index tuple, whose flat index Horner's rule computes. */
export const at = ({ shape, values }: NdArray, index: Index): number =>
  values[index.reduce((flat, i, axis) => flat * shape[axis]! + i, 0)]!;

/** The element under NumPy broadcasting: leading indices beyond the rank are dropped, and axes of size 1 repeat. */
export const broadcastAt = (array: NdArray, index: Index): number =>
  at(
    array,
    index.slice(index.length - array.shape.length).map((i, axis) => (array.shape[axis] === 1 ? 0 : i)),
  );

export const toTensor = ({ shape, values }: NdArray, dtype: DType = "float64"): Tensor =>
  tensor(Float64Array.from(values), { shape, dtype });

export const toArray = async (x: Tensor): Promise<NdArray> => ({ shape: x.shape, values: [...(await x.data())] });

/**
 * Expects the same shape, and every element within `tolerance`·max(1, |expected|). Infinities and NaN must be equal. Default tolerance:
 * 1e-12.
 */
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
