import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { matmulLengths, matmuls } from "../../arbitraries/geometries.ts";
import { seeds, valuesOf } from "../../arbitraries/values.ts";
import { float64, numbers, reference } from "./run-kernels.ts";

type Matrix = readonly (readonly number[])[];

const matrixAt = (data: ArrayLike<number>, start: number, rows: number, columns: number): Matrix =>
  Array.from({ length: rows }, (_, i) => Array.from({ length: columns }, (_, j) => data[start + i * columns + j]!));

const transpose = (matrix: Matrix, rows: number, columns: number): Matrix =>
  Array.from({ length: columns }, (_, j) => Array.from({ length: rows }, (_, i) => matrix[i]![j]!));

describe("matmul", () => {
  it("is the dot products of rows and columns, for all transposes", () => {
    fc.assert(
      fc.property(seeds, matmuls(6), (seed, geometry) => {
        const { batch, m, k, n, transposeA, transposeB, batchStrideA, batchStrideB } = geometry;
        const lengths = matmulLengths(geometry);
        const a = valuesOf(seed, lengths.a, "integers");
        const b = valuesOf(seed + 1, lengths.b, "integers");
        const expected: number[] = [];
        for (let q = 0; q < batch; q++) {
          const rows = transposeA ? transpose(matrixAt(a, q * batchStrideA, k, m), k, m) : matrixAt(a, q * batchStrideA, m, k);
          const columns = transposeB ? matrixAt(b, q * batchStrideB, n, k) : transpose(matrixAt(b, q * batchStrideB, k, n), k, n);
          for (const row of rows) for (const column of columns) expected.push(row.reduce((sum, value, p) => sum + value * column[p]!, 0));
        }
        expect(numbers(reference.matmul(float64(a), float64(b), geometry))).toEqual(expected);
      }),
    );
  });
});
