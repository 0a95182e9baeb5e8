/** The properties of solve, cholesky and eigh: residuals, orthogonality, and oracles that share no code with them. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cholesky } from "../../src/linalg/cholesky.ts";
import { eigh } from "../../src/linalg/eigh.ts";
import { frobenius, identity, type Matrix, matrix, product, relativeDistance, scaleColumns, transposed } from "../../src/linalg/matrix.ts";
import { qr } from "../../src/linalg/qr.ts";
import { solve } from "../../src/linalg/solve.ts";
import { svd } from "../../src/linalg/svd.ts";
import { departureFromOrthonormal, normalValues } from "./support.ts";

/** The relative error of a backward stable algorithm is a modest multiple of the unit roundoff 1.1e-16 times the size of the problem. */
const stable = 1e-13;

const sizes = fc.integer({ min: 1, max: 9 });
const seeds = fc.nat({ max: 10_000 });
/** Factors for all entries. The squares of the outer two underflow and overflow. */
const scales = fc.constantFrom(1, 1e-200, 1e200, 1e-3);

const square = (n: number, seed: number): Matrix => matrix(n, n, normalValues(n * n, seed));
const times = (a: Matrix, factor: number): Matrix => ({ ...a, data: a.data.map((value) => value * factor) });
/** A symmetric matrix with the given eigenvalues, and orthonormal eigenvectors from a QR factorisation. */
function withEigenvalues(values: readonly number[], seed: number): Matrix {
  const { q } = qr(square(values.length, seed));
  return product(scaleColumns(q, values), transposed(q));
}

/** The determinant by Laplace's expansion along the first row. */
function determinant(a: readonly (readonly number[])[]): number {
  if (a.length === 0) return 1;
  const minor = (column: number): number[][] => a.slice(1).map((row) => row.filter((_, j) => j !== column));
  return a[0]!.reduce((sum, entry, j) => sum + (j % 2 === 0 ? 1 : -1) * entry * determinant(minor(j)), 0);
}

const rowsOf = ({ rows, columns, data }: Matrix): number[][] =>
  Array.from({ length: rows }, (_, i) => Array.from(data.subarray(i * columns, (i + 1) * columns)));

describe("solve", () => {
  test("A·X is B up to rounding: ‖A·X − B‖ is small beside ‖A‖·‖X‖", () =>
    fc.assert(
      fc.property(sizes, sizes, seeds, scales, (n, k, seed, scale) => {
        const a = times(square(n, seed), scale);
        const b = matrix(n, k, normalValues(n * k, seed + 1));
        const x = solve(a, b);
        const rest = product(times(a, 1 / scale), times(x, scale)).data.map((value, i) => value - b.data[i]!);
        expect(frobenius(rest)).toBeLessThan(stable * (frobenius(b.data) + frobenius(square(n, seed).data) * frobenius(x.data) * scale));
      }),
    ));

  test("equals Cramer's rule", () =>
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), seeds, (n, seed) => {
        const a = square(n, seed);
        const b = normalValues(n, seed + 1);
        const x = solve(a, matrix(n, 1, b));
        const whole = determinant(rowsOf(a));
        const condition = 1 / svd(a).s[n - 1]!;
        for (let column = 0; column < n; column++) {
          const replaced = rowsOf(a).map((row, i) => row.map((entry, j) => (j === column ? b[i]! : entry)));
          expect(Math.abs(x.data[column]! - determinant(replaced) / whole)).toBeLessThan(1e-12 * condition * (1 + frobenius(x.data)));
        }
      }),
    ));

  test("rows of very different sizes do not matter", () => {
    const scaled = matrix(2, 2, [1e-200, 1e-200, 1, -1]);
    expect([...solve(scaled, matrix(2, 1, [3e-200, 1])).data]).toEqual([2, 1]);
    // Without row exchanges the first pivot would be 1e-20, and the first unknown would lose all its digits.
    const x = solve(matrix(2, 2, [1e-20, 1, 1, 1]), matrix(2, 1, [1, 2])).data;
    for (const value of x) expect(value).toBeCloseTo(1, 12);
  });

  test("refuses a singular matrix and shapes that do not fit", () => {
    expect(() => solve(matrix(2, 2, [1, 2, 2, 4]), identity(2))).toThrow(
      "solve: A is singular, because no row is left with an entry in column 1",
    );
    expect(() => solve(matrix(2, 3), identity(2))).toThrow("solve: needs A:[n,n] and B:[n,k], got A:2×3 and B:2×2");
    expect(() => solve(identity(2), identity(3))).toThrow("solve: needs A:[n,n] and B:[n,k], got A:2×2 and B:3×3");
    expect(() => solve(matrix(1, 1, [Number.NaN]), identity(1))).toThrow("solve: entries must be finite, got NaN at position 0");
  });
});

describe("cholesky", () => {
  test("L·Lᵀ is A, L is lower triangular, and its diagonal is positive", () =>
    fc.assert(
      fc.property(sizes, seeds, scales, (n, seed, scale) => {
        const root = square(n, seed);
        const gram = product(root, transposed(root));
        const l = cholesky(times(gram, scale));
        const unscaled = times(l, 1 / Math.sqrt(scale));
        expect(relativeDistance(product(unscaled, transposed(unscaled)).data, gram.data)).toBeLessThan(stable);
        for (let i = 0; i < n; i++) {
          expect(l.data[i * n + i]).toBeGreaterThan(0);
          for (let j = i + 1; j < n; j++) expect(l.data[i * n + j]).toBe(0);
        }
      }),
    ));

  test("is the transposed R of the QR factorisation of a root, up to the signs of its rows", () =>
    fc.assert(
      fc.property(sizes, seeds, (n, seed) => {
        const root = matrix(n + 2, n, normalValues((n + 2) * n, seed));
        const l = cholesky(product(transposed(root), root));
        const { r } = qr(root);
        const condition = svd(root).s[0]! / svd(root).s[n - 1]!;
        for (let i = 0; i < n; i++)
          for (let j = 0; j < n; j++)
            expect(Math.abs(l.data[j * n + i]! - Math.sign(r.data[i * n + i]!) * r.data[i * n + j]!)).toBeLessThan(
              stable * condition ** 2 * frobenius(root.data),
            );
      }),
    ));

  test("reads the lower triangle only", () => {
    expect([...cholesky(matrix(2, 2, [4, 99, 2, 5])).data]).toEqual([2, 0, 1, 2]);
  });

  test("refuses a matrix that is not positive definite, square or finite", () => {
    expect(() => cholesky(matrix(2, 2, [1, 2, 2, 1]))).toThrow("cholesky: the matrix must be positive definite, got the pivot -3 in row 1");
    expect(() => cholesky(matrix(1, 1, [0]))).toThrow("cholesky: the matrix must be positive definite, got the pivot 0 in row 0");
    expect(() => cholesky(matrix(1, 2, [1, 1]))).toThrow("cholesky: the matrix must be square, got 1×2");
    expect(() => cholesky(matrix(1, 1, [Infinity]))).toThrow("cholesky: entries must be finite, got Infinity at position 0");
  });
});

describe("eigh", () => {
  const eigenvalues = fc.array(fc.oneof(fc.double({ min: -2, max: 2, noNaN: true }), fc.constantFrom(0, 1, 1, -1)), {
    minLength: 1,
    maxLength: 8,
  });

  test("V·diag(values)·Vᵀ is A, V is orthogonal, and the values rise", () =>
    fc.assert(
      fc.property(eigenvalues, seeds, scales, (expected, seed, scale) => {
        const a = withEigenvalues(expected, seed);
        const { values, vectors } = eigh(times(a, scale));
        expect(departureFromOrthonormal(vectors)).toBeLessThan(stable);
        const unscaled = values.map((value) => value / scale);
        const again = product(scaleColumns(vectors, unscaled), transposed(vectors));
        const size = Math.max(...expected.map(Math.abs), 1e-9);
        expect(frobenius(again.data.map((value, i) => value - a.data[i]!))).toBeLessThan(stable * size);
        for (const [i, value] of values.entries()) expect(value).toBeGreaterThanOrEqual(values[i - 1] ?? -Infinity);
        for (const [i, value] of [...expected].sort((x, y) => x - y).entries())
          expect(Math.abs(unscaled[i]! - value)).toBeLessThan(stable * size);
      }),
      { numRuns: 300 },
    ));

  test("the eigenvalues are roots of the characteristic polynomial, and their absolute values are the singular values", () =>
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), seeds, (n, seed) => {
        const half = square(n, seed);
        const a = matrix(
          n,
          n,
          half.data.map((value, at) => value + half.data[(at % n) * n + Math.floor(at / n)]!),
        );
        const { values } = eigh(a);
        const size = frobenius(a.data);
        for (const value of values) {
          const shifted = rowsOf(a).map((row, i) => row.map((entry, j) => (i === j ? entry - value : entry)));
          expect(Math.abs(determinant(shifted))).toBeLessThan(1e-12 * (1 + 2 * size) ** n);
        }
        const sizes = Array.from(values, Math.abs).sort((x, y) => y - x);
        for (const [i, s] of svd(a).s.entries()) expect(Math.abs(s - sizes[i]!)).toBeLessThan(stable * size);
      }),
    ));

  test("reads the lower triangle only, and takes a zero matrix", () => {
    expect([...eigh(matrix(2, 2, [2, 99, 0, 1])).values]).toEqual([1, 2]);
    expect([...eigh(matrix(2, 2)).values]).toEqual([0, 0]);
  });

  test("refuses a matrix that is not square or not finite", () => {
    expect(() => eigh(matrix(1, 2, [1, 1]))).toThrow("eigh: the matrix must be square, got 1×2");
    expect(() => eigh(matrix(1, 1, [Number.NaN]))).toThrow("eigh: entries must be finite, got NaN at position 0");
  });
});
