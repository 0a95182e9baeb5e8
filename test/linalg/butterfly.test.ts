/** The nearest butterfly matrix: its error, its bound, and that a butterfly matrix is found again. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { butterflyStages, butterflyToDense, nearestButterfly } from "../../src/linalg/butterfly.ts";
import { frobenius, relativeDistance } from "../../src/linalg/matrix.ts";
import { tensorArray } from "../../src/linalg/tensor-array.ts";
import { buildMatrix, distance, matrixRecipes, normals, normalValues, times } from "./support.ts";

describe("nearestButterfly", () => {
  const twiddles = (rows: number, columns: number, seed: number): { twiddle: ReturnType<typeof tensorArray> } => {
    const stages = butterflyStages(rows, columns);
    const shape = [stages, 2 ** (stages - 1), 2, 2];
    return { twiddle: tensorArray(shape, normalValues(stages * 2 ** (stages + 1), seed)) };
  };
  const sizes = fc.record({ rows: fc.integer({ min: 1, max: 40 }), columns: fc.integer({ min: 1, max: 40 }), seed: fc.nat({ max: 1000 }) });

  test("states its error, finds a butterfly again, and is within √(L−1) of any butterfly", () => {
    fc.assert(
      fc.property(sizes, fc.double({ min: 0, max: 1, noNaN: true }), ({ rows, columns, seed }, noise) => {
        const rival = butterflyToDense(twiddles(rows, columns, seed), rows, columns);
        const again = nearestButterfly(rival);
        expect(relativeDistance(butterflyToDense(again, rows, columns).data, rival.data)).toBeLessThan(1e-12);
        const other = normals(rows, columns, seed + 1);
        const target = { ...rival, data: rival.data.map((value, i) => value + noise * other.data[i]!) };
        const fit = nearestButterfly(target);
        const error = distance(butterflyToDense(fit, rows, columns), target);
        const rounding = 1e-12 * frobenius(target.data);
        expect(Math.abs(fit.error - error)).toBeLessThan(rounding);
        const cuts = Math.max(0, butterflyStages(rows, columns) - 1);
        expect(error).toBeLessThanOrEqual(Math.sqrt(cuts) * distance(rival, target) + rounding);
      }),
    );
  });

  test("does not depend on the scale, also for hard matrices", () => {
    fc.assert(
      fc.property(matrixRecipes, (recipe) => {
        const a = buildMatrix(recipe);
        const { twiddle, error } = nearestButterfly(a);
        const larger = nearestButterfly(times(a, 4));
        expect(larger.error).toBe(4 * error);
        const got = butterflyToDense(larger, a.rows, a.columns).data;
        expect(got).toEqual(butterflyToDense({ twiddle }, a.rows, a.columns).data.map((value) => 4 * value));
      }),
    );
  });
});
