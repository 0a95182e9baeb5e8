/** The descent finds minima that are known, and its value never rises. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { matrix, product, relativeDistance, transposed } from "../../src/linalg/matrix.ts";
import { minimise } from "../../src/linalg/minimise.ts";
import { solve } from "../../src/linalg/solve.ts";
import { normals } from "./support.ts";

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
