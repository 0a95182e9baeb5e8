/** The nearest tied low-rank matrix: its error, and the least one where it is known. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { eigh } from "../../src/linalg/eigh.ts";
import { frobenius, matrix, product, transposed } from "../../src/linalg/matrix.ts";
import { nearestTiedLowRank, tiedLowRankToDense } from "../../src/linalg/tied-low-rank.ts";
import { distance, normals, normalValues, times } from "./support.ts";

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

describe("nearestTiedLowRank of a smaller rank", () => {
  /** V:[r,n·copies] of normal numbers. */
  const tied = fc.record({
    columns: fc.integer({ min: 2, max: 6 }),
    copies: fc.integer({ min: 2, max: 4 }),
    rank: fc.integer({ min: 1, max: 3 }),
    seed: fc.nat({ max: 1000 }),
  });

  test("starts from the eigenvectors of the sum: equal symmetric blocks have their nearest matrix found", () => {
    fc.assert(
      fc.property(tied, ({ columns, copies, rank, seed }) => {
        const kept = Math.min(rank, columns);
        const root = normals(columns, columns, seed);
        const block = { ...root, data: root.data.map((value, at) => value + transposed(root).data[at]!) };
        const a = matrix(
          columns * copies,
          columns,
          Float64Array.from({ length: columns ** 2 * copies }, (_, at) => block.data[at % columns ** 2]!),
        );
        // The mean of the blocks of W is positive semidefinite of rank r, and replacing each block by it brings W nearer to A.
        const values = [...eigh(block).values].sort((x, y) => y - x);
        const left = values.map((value, i) => (i < kept && value > 0 ? 0 : value));
        const least = Math.sqrt(copies) * frobenius(left);
        expect(Math.abs(nearestTiedLowRank(a, kept).error - least)).toBeLessThan(1e-9 * frobenius(a.data));
      }),
    );
  });

  test("starts from the rows of the truncated SVD: where the sum points elsewhere, √10 of the least error is kept", () => {
    fc.assert(
      fc.property(tied, fc.double({ min: 1e-3, max: 0.1, noNaN: true }), ({ columns, copies, seed }, noise) => {
        // The blocks ±x·qᵀ cancel in the sum, so that the noise alone decides its eigenvectors.
        const [x, q] = [normals(columns, 1, seed), normals(columns, 1, seed + 1)];
        const large = product(x, transposed(q));
        const small = normals(columns * copies, columns, seed + 2);
        const sign = (block: number): number => (block === 0 ? 1 : block === 1 ? -1 : 0);
        const clean = matrix(
          columns * copies,
          columns,
          Float64Array.from(
            { length: columns ** 2 * copies },
            (_, at) => sign(Math.floor(at / columns ** 2)) * large.data[at % columns ** 2]!,
          ),
        );
        const a = { ...clean, data: clean.data.map((value, at) => value + noise * small.data[at]!) };
        // Blocks that add up to zero are a limit of tied matrices, so the least error is at most that of the noise.
        const bound = Math.sqrt(10) * distance(clean, a) + 0.01 * frobenius(a.data);
        expect(nearestTiedLowRank(a, 1).error).toBeLessThanOrEqual(bound);
      }),
    );
  });

  test("descends to a point from which no direction lowers the error", () => {
    for (let seed = 0; seed < 60; seed++) {
      const [columns, copies] = [2 + (seed % 5), 2 + (seed % 3)];
      const rank = Math.min(1 + (seed % 3), columns - 1);
      const clean = tiedLowRankToDense(normals(rank, columns * copies, seed), columns);
      const noise = normals(columns * copies, columns, seed + 1);
      const a = { ...clean, data: clean.data.map((value, at) => value + 0.3 * noise.data[at]!) };
      const { v } = nearestTiedLowRank(a, rank);
      const size = frobenius(v.data);
      const along = normalValues(v.data.length, seed + 2);
      const loss = (step: number): number => {
        const moved = v.data.map((value, at) => value + step * (size / frobenius(along)) * along[at]!);
        return distance(tiedLowRankToDense({ ...v, data: moved }, columns), a) ** 2 / 2;
      };
      const slope = (loss(1e-4) - loss(-1e-4)) / 2e-4;
      // The term that keeps V from growing has the slope 2e-7·‖V‖⁴ at most. The descent ends when a step gains 1e-12 of the loss, which
      // leaves the root of it as a slope, times the few units of the curvature.
      expect(Math.abs(slope)).toBeLessThan(2e-7 * size ** 4 + 1e-5 * frobenius(a.data) ** 2);
    }
  });
});
