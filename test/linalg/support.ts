/** Matrices and tensors to decompose. They are built from a few numbers and a seed, so that a counterexample is easy to read. */

import fc from "fast-check";
import { expect } from "vitest";
import { Random } from "../../src/core/random.ts";
import { sizeOf } from "../../src/core/shape.ts";
import { frobenius, type Matrix, matrix, product, scaled } from "../../src/linalg/matrix.ts";
import { type TensorArray, tensorArray } from "../../src/linalg/tensor-array.ts";

/**
 * What makes a matrix hard: nothing, a deficient rank, columns of very different sizes, repeated singular values, tiny or huge entries,
 * zeros.
 */
export type Kind = "generic" | "deficient" | "graded" | "repeated" | "tiny" | "huge" | "zero";

/** The numbers that a matrix is built from. */
export interface MatrixRecipe {
  readonly rows: number;
  readonly columns: number;
  readonly kind: Kind;
  readonly seed: number;
}

export const matrixRecipes: fc.Arbitrary<MatrixRecipe> = fc.record({
  rows: fc.integer({ min: 1, max: 9 }),
  columns: fc.integer({ min: 1, max: 9 }),
  kind: fc.constantFrom<Kind>("generic", "deficient", "graded", "repeated", "tiny", "huge", "zero"),
  seed: fc.nat({ max: 10_000 }),
});

export const normalValues = (count: number, seed: number): Float64Array => {
  const random = new Random(seed);
  return Float64Array.from({ length: count }, () => random.normal());
};

/** A matrix of normal numbers. */
export const normals = (rows: number, columns: number, seed: number): Matrix => matrix(rows, columns, normalValues(rows * columns, seed));

/** ‖A − B‖. */
export const distance = (a: Matrix, b: Matrix): number => frobenius(a.data.map((value, i) => value - b.data[i]!));

/** A times a number. */
export const times = (a: Matrix, factor: number): Matrix => ({ ...a, data: scaled(a.data, factor) });

/** No error of a descent may be larger than the one before it, apart from rounding. */
export function expectToFall(errors: readonly number[]): void {
  for (const [k, error] of errors.entries()) if (k > 0) expect(error).toBeLessThanOrEqual(errors[k - 1]! * (1 + 1e-12));
}

/** The matrix of a recipe. */
export function buildMatrix({ rows, columns, kind, seed }: MatrixRecipe): Matrix {
  const values = normalValues(rows * columns, seed);
  if (kind === "generic") return matrix(rows, columns, values);
  if (kind === "zero") return matrix(rows, columns);
  if (kind === "tiny" || kind === "huge")
    return matrix(
      rows,
      columns,
      values.map((v) => v * (kind === "tiny" ? 1e-160 : 1e150)),
    );
  if (kind === "graded")
    return matrix(
      rows,
      columns,
      values.map((v, at) => v * 10 ** (-3 * (at % columns))),
    );
  if (kind === "repeated")
    return matrix(
      rows,
      columns,
      Float64Array.from(values, (_, at) => (Math.floor(at / columns) === at % columns ? 2 : 0)),
    );
  const rank = Math.max(1, Math.floor(Math.min(rows, columns) / 2));
  return product(matrix(rows, rank, values.subarray(0, rows * rank)), matrix(rank, columns, normalValues(rank * columns, seed + 1)));
}

/** The numbers that a tensor is built from. */
export interface TensorRecipe {
  readonly shape: readonly number[];
  readonly seed: number;
}

export const tensorRecipes: fc.Arbitrary<TensorRecipe> = fc.record({
  shape: fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 2, maxLength: 4 }),
  seed: fc.nat({ max: 10_000 }),
});

export const buildTensor = ({ shape, seed }: TensorRecipe): TensorArray => tensorArray(shape, normalValues(sizeOf(shape), seed));

/** max |QᵀQ − I|, which is 0 for orthonormal columns. */
export function departureFromOrthonormal({ rows, columns, data }: Matrix): number {
  let worst = 0;
  for (let i = 0; i < columns; i++)
    for (let j = 0; j < columns; j++) {
      let dot = 0;
      for (let k = 0; k < rows; k++) dot += data[k * columns + i]! * data[k * columns + j]!;
      worst = Math.max(worst, Math.abs(dot - (i === j ? 1 : 0)));
    }
  return worst;
}
