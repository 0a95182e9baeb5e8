/** The nearest tied low-rank matrix: its error, and the least one where it is known. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { eigh } from "../../src/linalg/eigh.ts";
import { frobenius, matrix, transposed } from "../../src/linalg/matrix.ts";
import { nearestTiedLowRank, tiedLowRankToDense } from "../../src/linalg/tied-low-rank.ts";
import { distance, normals, times } from "./support.ts";

describe("nearestTiedLowRank", () => {
  test("states its error, which scales with the matrix", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 4 }), fc.nat({ max: 1000 }), (columns, copies, seed) => {
        const a = normals(columns * copies, columns, seed);
        const rank = 1 + (seed % a.rows);
        const { v, error } = nearestTiedLowRank(a, rank);
        expect(v.rows).toBe(rank);
        expect(Math.abs(distance(tiedLowRankToDense(v, columns), a) - error)).toBeLessThan(1e-12 * frobenius(a.data));
        expect(nearestTiedLowRank(times(a, 4), rank).error).toBe(4 * error);
      }),
      { numRuns: 40 },
    );
  });
});

describe("nearestTiedLowRank of full rank", () => {
  test("is the best of all: only the sum of the square blocks must be positive semidefinite", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 4 }), fc.nat(1000), (columns, copies, seed) => {
        const a = normals(columns * copies, columns, seed);
        const sum = matrix(columns, columns);
        for (const [at, value] of a.data.entries()) sum.data[at % sum.data.length]! += value;
        const symmetric = { ...sum, data: sum.data.map((value, at) => (value + transposed(sum).data[at]!) / 2) };
        // The blocks share what the sum lacks, so the least squared error is the distance of the sum over the number of blocks.
        const positive = frobenius(eigh(symmetric).values.map((value) => Math.max(0, value)));
        const least = Math.sqrt((frobenius(sum.data) ** 2 - positive ** 2) / copies);
        const { error } = nearestTiedLowRank(a, columns);
        expect(error).toBeGreaterThanOrEqual(least - 1e-9);
        expect(error).toBeLessThanOrEqual(least + 0.01 * frobenius(a.data));
      }),
    );
  });
});
