/** The properties of QR, SVD, low-rank approximation and positive systems, on matrices that are hard in different ways. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { lowRank, lowRankProduct } from "../../src/linalg/low-rank.ts";
import {
  columnsOf,
  frobenius,
  identity,
  type Matrix,
  matrix,
  product,
  relativeDistance,
  scaleColumns,
  transposed,
} from "../../src/linalg/matrix.ts";
import { qr } from "../../src/linalg/qr.ts";
import { solvePositive } from "../../src/linalg/solve.ts";
import { svd } from "../../src/linalg/svd.ts";
import { buildMatrix, departureFromOrthonormal, matrixRecipes, normalValues } from "./support.ts";

/** The relative error of a backward stable algorithm is a modest multiple of the unit roundoff 1.1e-16 times the size of the problem. */
const stable = 1e-13;

describe("qr", () => {
  test("Q·R is A, Q's columns are orthonormal, R is upper triangular", () => {
    fc.assert(
      fc.property(matrixRecipes, (recipe) => {
        const a = buildMatrix(recipe);
        const { q, r } = qr(a);
        expect([q.rows, q.columns, r.rows, r.columns]).toEqual([
          a.rows,
          Math.min(a.rows, a.columns),
          Math.min(a.rows, a.columns),
          a.columns,
        ]);
        expect(departureFromOrthonormal(q)).toBeLessThan(stable);
        expect(relativeDistance(product(q, r).data, a.data)).toBeLessThan(stable);
        for (let i = 0; i < r.rows; i++) for (let j = 0; j < i; j++) expect(r.data[i * r.columns + j]).toBe(0);
      }),
    );
  });
});

test("qr is stable for subnormal and for the largest entries", () => {
  fc.assert(
    fc.property(matrixRecipes, fc.constantFrom(2 ** -1060, 2 ** 1015), ({ rows, columns, seed }, scale) => {
      const entries = normalValues(rows * columns, seed).map((v) => Math.max(-1, Math.min(1, v)) * scale);
      const { q, r } = qr(matrix(rows, columns, entries));
      expect(departureFromOrthonormal(q)).toBeLessThan(stable);
      // A subnormal entry is a multiple of 2⁻¹⁰⁷⁴, so no factor can be nearer than that.
      const rest = product(q, { ...r, data: r.data.map((v) => v / scale) }).data.map((v, i) => v - entries[i]! / scale);
      expect(frobenius(rest)).toBeLessThan(stable + (rows + columns) ** 2 * (2 ** -1074 / scale));
    }),
  );
});

describe("svd", () => {
  test("U·diag(s)·Vᵀ is A, U and V are orthonormal even where s is 0, and s is sorted and not negative", () => {
    fc.assert(
      fc.property(matrixRecipes, (recipe) => {
        const a = buildMatrix(recipe);
        const { u, s, v } = svd(a);
        expect(departureFromOrthonormal(u)).toBeLessThan(stable);
        expect(departureFromOrthonormal(v)).toBeLessThan(stable);
        expect(relativeDistance(product(scaleColumns(u, s), transposed(v)).data, a.data)).toBeLessThan(stable);
        for (const [i, value] of s.entries()) expect(value).toBeGreaterThanOrEqual(s[i + 1] ?? 0);
      }),
      { numRuns: 300 },
    );
  });

  test("finds the singular values that a matrix was made from", () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 1e-9, max: 1, noNaN: true }), { minLength: 1, maxLength: 6 }),
        fc.integer({ min: 0, max: 4 }),
        fc.nat({ max: 999 }),
        (values, extra, seed) => {
          const n = values.length;
          const u = qr(matrix(n + extra, n, normalValues((n + extra) * n, seed))).q;
          const v = qr(matrix(n, n, normalValues(n * n, seed + 1))).q;
          const expected = Float64Array.from(values).sort().reverse();
          const { s } = svd(product(scaleColumns(u, values), transposed(v)));
          for (const [i, value] of s.entries()) expect(Math.abs(value - expected[i]!)).toBeLessThan(stable * expected[0]!);
        },
      ),
    );
  });

  test("the singular values of a matrix with columns of very different sizes keep their digits", () => {
    // The matrix is (I + small)·diag(1, 1e-8, 1e-16). One-sided Jacobi finds all three singular values to high relative accuracy.
    // Bidiagonalisation would lose the last one.
    const d = [1, 1e-8, 1e-16];
    const a = scaleColumns(matrix(3, 3, [1, 0.1, 0.2, 0.1, 1, 0.3, 0.2, 0.3, 1]), d);
    const { s } = svd(a);
    // The product of the singular values is |det A|, which is known up to rounding.
    const determinant = (1 - 0.3 * 0.3 - 0.1 * (0.1 - 0.3 * 0.2) + 0.2 * (0.1 * 0.3 - 0.2)) * 1e-24;
    expect((s[0]! * s[1]! * s[2]!) / determinant - 1).toBeCloseTo(0, 12);
  });

  test("B·D with a well-conditioned B and a diagonal D has the determinant that the factors give, whatever the sizes in D", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -30, max: 0 }), { minLength: 2, maxLength: 6 }), fc.nat({ max: 999 }), (exponents, seed) => {
        const n = exponents.length;
        const b = normalValues(n * n, seed).map((value, at) => Math.max(-1, Math.min(1, value)) / n + (at % (n + 1) === 0 ? 3 : 0));
        const { s } = svd(
          scaleColumns(
            matrix(n, n, b),
            exponents.map((e) => 10 ** e),
          ),
        );
        const { r } = qr(matrix(n, n, b));
        let logarithm = 0;
        for (let i = 0; i < n; i++) logarithm += Math.log10(s[i]!) - exponents[i]! - Math.log10(Math.abs(r.data[i * n + i]!));
        expect(Math.abs(logarithm)).toBeLessThan(1e-12);
      }),
    );
  });

  test("every singular value is within a multiple of ε·s₁, also where rows differ in size", () => {
    const a = transposed(scaleColumns(matrix(3, 3, [1, 0.1, 0.2, 0.1, 1, 0.3, 0.2, 0.3, 1]), [1, 1e-8, 1e-16]));
    const { s } = svd(a);
    const other = svd(transposed(a)).s;
    for (const [i, value] of s.entries()) expect(Math.abs(value - other[i]!)).toBeLessThan(1e-15);
  });
});

describe("lowRank", () => {
  test("attains the Eckart–Young error, and a random matrix of the same rank has no smaller error", () => {
    fc.assert(
      fc.property(matrixRecipes, fc.integer({ min: 1, max: 9 }), fc.nat({ max: 999 }), (recipe, rank, seed) => {
        const a = buildMatrix({ ...recipe, kind: recipe.kind === "tiny" || recipe.kind === "huge" ? "generic" : recipe.kind });
        const best = lowRank(a, rank);
        const size = Math.max(frobenius(a.data), 1e-300);
        const distance = (b: Matrix): number => frobenius(a.data.map((v, i) => v - b.data[i]!));
        const error = distance(lowRankProduct(best));
        expect(Math.abs(error - best.error) / size).toBeLessThan(stable);
        const { s } = svd(a);
        expect(Math.abs(frobenius(s.subarray(Math.min(rank, s.length))) - best.error) / size).toBeLessThan(stable);
        const kept = Math.min(rank, a.rows, a.columns);
        const rival = product(
          matrix(a.rows, kept, normalValues(a.rows * kept, seed)),
          matrix(kept, a.columns, normalValues(kept * a.columns, seed + 1)),
        );
        expect(distance(rival)).toBeGreaterThanOrEqual(best.error - stable * size);
      }),
    );
  });

  test("the error does not rise with the rank, and is 0 at full rank", () => {
    fc.assert(
      fc.property(matrixRecipes, (recipe) => {
        const a = buildMatrix(recipe);
        const errors = Array.from({ length: Math.min(a.rows, a.columns) }, (_, i) => lowRank(a, i + 1).error);
        for (const [i, error] of errors.entries()) expect(error).toBeLessThanOrEqual(errors[i - 1] ?? Number.POSITIVE_INFINITY);
        expect(errors.at(-1)).toBe(0);
      }),
    );
  });

  test("a rank below 1 is refused", () => expect(() => lowRank(identity(2), 0)).toThrow(/lowRank: rank must be an integer ≥ 1, got 0/));
});

describe("solvePositive", () => {
  test("G·X is B if B is in the range of G, also for a singular G", () => {
    fc.assert(
      fc.property(matrixRecipes, fc.integer({ min: 1, max: 3 }), fc.nat({ max: 999 }), (recipe, width, seed) => {
        const a = buildMatrix({ ...recipe, kind: recipe.kind === "deficient" ? "deficient" : "generic" });
        const g = product(transposed(a), a);
        const b = product(g, matrix(g.rows, width, normalValues(g.rows * width, seed)));
        const x = solvePositive(g, b);
        // The condition number of G multiplies the rounding error. It reaches 1e8 for these matrices.
        expect(relativeDistance(product(g, x).data, b.data)).toBeLessThan(1e-6);
      }),
    );
  });
});

test("solvePositive sets the unknown of a dependent row to 0", () => {
  expect([...solvePositive(matrix(2, 2, [1, 1, 1, 1]), matrix(2, 1, [3, 3])).data]).toEqual([3, 0]);
});

test("columnsOf takes adjacent columns", () => {
  expect([...columnsOf(matrix(2, 3, [1, 2, 3, 4, 5, 6]), 1, 3).data]).toEqual([2, 3, 5, 6]);
});
