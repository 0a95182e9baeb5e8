/** The descent to a BLAST matrix: its errors, the truncated SVD as its bound, and that small ranks are found again. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Random } from "../../src/core/random.ts";
import { type BlastFactors, blastToDense, nearestBlast } from "../../src/linalg/blast.ts";
import { lowRank } from "../../src/linalg/low-rank.ts";
import { frobenius, type Matrix, relativeDistance } from "../../src/linalg/matrix.ts";
import { tensorArray } from "../../src/linalg/tensor-array.ts";
import { distance, expectToFall, normals, normalValues, times } from "./support.ts";

describe("nearestBlast", () => {
  const shapes = fc.record({
    blocks: fc.integer({ min: 1, max: 4 }),
    height: fc.integer({ min: 1, max: 5 }),
    width: fc.integer({ min: 1, max: 5 }),
    rank: fc.integer({ min: 1, max: 6 }),
    seed: fc.nat({ max: 1000 }),
  });

  test("never rises, states its error, is at least as near as low rank, and scales with the matrix", () => {
    fc.assert(
      fc.property(shapes, ({ blocks, height, width, rank, seed }) => {
        const a = normals(blocks * height, blocks * width, seed);
        const nearest = (target: Matrix): ReturnType<typeof nearestBlast> =>
          nearestBlast(target, { blocks, rank, random: new Random(1), iterations: 20 });
        const { errors, ...factors } = nearest(a);
        expectToFall(errors);
        const rounding = 1e-12 * frobenius(a.data);
        expect(Math.abs(distance(blastToDense(factors), a) - errors.at(-1)!)).toBeLessThan(rounding);
        expect(errors.at(-1)).toBeLessThanOrEqual(lowRank(a, rank).error + rounding);
        expect(nearest(times(a, 4)).errors).toEqual(errors.map((value) => 4 * value));
      }),
      { numRuns: 40 },
    );
  });

  test("finds a matrix of small rank again", () => {
    for (const [blocks, height, width, rank] of [
      [1, 4, 5, 2],
      [2, 4, 4, 1],
      [3, 6, 5, 2],
      [4, 8, 8, 2],
    ] as const)
      for (let seed = 0; seed < 3; seed++) {
        const draw = (shape: readonly number[], key: number): BlastFactors["U"] =>
          tensorArray(shape, normalValues(shape[0]! * shape[1]! * shape[2]!, 3 * seed + key));
        const target = blastToDense({
          U: draw([blocks, height, rank], 0),
          S: draw([blocks, blocks, rank], 1),
          V: draw([blocks, rank, width], 2),
        });
        const fit = nearestBlast(target, { blocks, rank, random: new Random(0), starts: 4, tolerance: 0 });
        expect(relativeDistance(blastToDense(fit).data, target.data)).toBeLessThan(1e-8);
      }
  });
});
