/** The descent to a product of diagonals and cosine transforms: its gradient, its errors, and that one factor is found again. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Random } from "../../src/core/random.ts";
import { type Acdc, type AcdcForm, acdcLoss, acdcToDense, nearestAcdc } from "../../src/linalg/acdc.ts";
import { frobenius, type Matrix, relativeDistance } from "../../src/linalg/matrix.ts";
import { distance, expectToFall, normals, normalValues, times } from "./support.ts";

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
