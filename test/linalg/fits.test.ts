/** The fits without a closed form: their errors never rise, are those of what they return, and scale with the target. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Random } from "../../src/core/random.ts";
import { type Acdc, type AcdcForm, acdcLoss, acdcToDense, nearestAcdc } from "../../src/linalg/acdc.ts";
import { type BlastFactors, blastToDense, nearestBlast } from "../../src/linalg/blast.ts";
import { butterflyStages, butterflyToDense, nearestButterfly } from "../../src/linalg/butterfly.ts";
import { cosineTransformRows, transposedCosineTransformRows } from "../../src/linalg/cosine-rows.ts";
import { eigh } from "../../src/linalg/eigh.ts";
import { lowRank } from "../../src/linalg/low-rank.ts";
import { frobenius, type Matrix, matrix, product, relativeDistance, transposed } from "../../src/linalg/matrix.ts";
import { minimise } from "../../src/linalg/minimise.ts";
import { solve } from "../../src/linalg/solve.ts";
import { tensorArray } from "../../src/linalg/tensor-array.ts";
import { nearestTiedLowRank, tiedLowRankToDense } from "../../src/linalg/tied-low-rank.ts";
import { buildMatrix, matrixRecipes, normalValues } from "./support.ts";

const distance = (a: Matrix, b: Matrix): number => frobenius(a.data.map((value, i) => value - b.data[i]!));
const times = (a: Matrix, factor: number): Matrix => ({ ...a, data: a.data.map((value) => value * factor) });
const normals = (rows: number, columns: number, seed: number): Matrix => matrix(rows, columns, normalValues(rows * columns, seed));

function expectToFall(errors: readonly number[]): void {
  for (const [k, error] of errors.entries()) if (k > 0) expect(error).toBeLessThanOrEqual(errors[k - 1]! * (1 + 1e-12));
}

describe("minimise", () => {
  test("finds the solution of a linear system as the minimum of its quadratic form", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 8 }), fc.nat({ max: 1000 }), (n, seed) => {
        const root = normals(n, n, seed);
        const a = product(transposed(root), root);
        for (let i = 0; i < n; i++) a.data[i * n + i]! += 0.5;
        const b = normals(n, 1, seed + 1);
        const { point, values } = minimise((x) => {
          const ax = product(a, matrix(n, 1, x)).data;
          const value = x.reduce((sum, xi, i) => sum + xi * (ax[i]! / 2 - b.data[i]!), 0);
          return { value, gradient: ax.map((entry, i) => entry - b.data[i]!) };
        }, new Float64Array(n));
        expect(relativeDistance(point, solve(a, b).data)).toBeLessThan(1e-5);
        for (const [k, value] of values.entries()) if (k > 0) expect(value).toBeLessThanOrEqual(values[k - 1]!);
      }),
    );
  });

  test("follows the curved valley of Rosenbrock's function to its end", () => {
    const { point } = minimise(
      ([x = 0, y = 0]) => ({
        value: (1 - x) ** 2 + 100 * (y - x * x) ** 2,
        gradient: Float64Array.of(-2 * (1 - x) - 400 * x * (y - x * x), 200 * (y - x * x)),
      }),
      Float64Array.of(-1.2, 1),
      { tolerance: 1e-20 },
    );
    expect(Math.hypot(point[0]! - 1, point[1]! - 1)).toBeLessThan(1e-6);
  });

  test("stays where it starts when it may take no step", () =>
    expect(minimise((x) => ({ value: x[0]! ** 2, gradient: Float64Array.of(2 * x[0]!) }), Float64Array.of(3), { iterations: 0 })).toEqual({
      point: Float64Array.of(3),
      values: [9],
    }));
});

describe("the cosine transform of rows", () => {
  test("is the definition, and its transpose", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 48 }), fc.integer({ min: 1, max: 4 }), fc.nat({ max: 1000 }), (n, m, seed) => {
        const definition = matrix(
          n,
          n,
          Float64Array.from({ length: n * n }, (_, at) => 2 * Math.cos((Math.PI * Math.floor(at / n) * (2 * (at % n) + 1)) / (2 * n))),
        );
        const x = normals(n, m, seed);
        expect(distance(cosineTransformRows(x), product(definition, x))).toBeLessThan(1e-12 * n * frobenius(x.data));
        expect(distance(transposedCosineTransformRows(x), product(transposed(definition), x))).toBeLessThan(1e-12 * n * frobenius(x.data));
      }),
    );
  });
});

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

describe("nearestAcdc", () => {
  const forms = fc.record({
    rows: fc.integer({ min: 1, max: 6 }),
    adjacent: fc.integer({ min: 1, max: 3 }),
    columns: fc.integer({ min: 1, max: 12 }),
    factors: fc.integer({ min: 1, max: 3 }),
    shuffled: fc.boolean(),
    seed: fc.nat({ max: 1000 }),
  });
  const formOf = ({ rows, adjacent, columns, factors, shuffled }: typeof forms extends fc.Arbitrary<infer T> ? T : never): AcdcForm => {
    const size = rows * adjacent;
    const half = Math.ceil(size / 2);
    return {
      size,
      factors,
      sources: Int32Array.from({ length: size }, (_, i) => i % columns),
      ...(shuffled && { places: Int32Array.from({ length: size }, (_, j) => (j < half ? 2 * j : 2 * (j - half) + 1)) }),
    };
  };

  test("descends along the gradient of its loss", () => {
    fc.assert(
      fc.property(forms, (recipe) => {
        const form = formOf(recipe);
        const target = normals(recipe.rows, recipe.columns, recipe.seed);
        const point = normalValues(2 * form.size * form.factors, recipe.seed + 1);
        const along = normalValues(point.length, recipe.seed + 2);
        const moved = (t: number): number =>
          acdcLoss(
            point.map((value, i) => value + t * along[i]!),
            target,
            form,
          ).value;
        const { value, gradient } = acdcLoss(point, target, form);
        const slope = gradient.reduce((sum, entry, i) => sum + entry * along[i]!, 0);
        // The loss is a polynomial of degree 4·factors along a line. Central differences of step h err by the third derivative times h².
        const measured = (h: number): number => (moved(h) - moved(-h)) / (2 * h);
        const extrapolated = (4 * measured(5e-4) - measured(1e-3)) / 3;
        const size = frobenius(gradient) * frobenius(along) + value;
        expect(Math.abs(extrapolated - slope)).toBeLessThan(1e-5 * size);
      }),
    );
  });

  test("finds a product of one factor again", () => {
    for (const size of [1, 5, 8, 12]) {
      const form = formOf({ rows: size, adjacent: 1, columns: size, factors: 1, shuffled: true, seed: 0 });
      const diagonals = [{ a: normalValues(size, size), d: normalValues(size, size + 1) }];
      const target = acdcToDense({ diagonals }, size, size, form);
      const fit = nearestAcdc(target, form, { random: new Random(1), iterations: 500 });
      expect(relativeDistance(acdcToDense(fit, size, size, form).data, target.data)).toBeLessThan(1e-8);
    }
  });

  test("never rises, states its error, and scales with the matrix", () => {
    fc.assert(
      fc.property(forms, (recipe) => {
        const form = formOf(recipe);
        const target = normals(recipe.rows, recipe.columns, recipe.seed);
        const nearest = (a: Matrix): Acdc => nearestAcdc(a, form, { random: new Random(1), iterations: 30 });
        const { diagonals, errors } = nearest(target);
        expectToFall(errors);
        const error = distance(acdcToDense({ diagonals }, target.rows, target.columns, form), target);
        expect(Math.abs(error - errors.at(-1)!)).toBeLessThan(1e-10 * frobenius(target.data));
        expect(nearest(times(target, 4)).errors).toEqual(errors.map((value) => 4 * value));
      }),
      { numRuns: 40 },
    );
  });
});

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
