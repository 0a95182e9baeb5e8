/** The matrix against its definition, and the plan against what it promises. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { cosineMatrix, cosineTransformMultiplyAdds, cosineTransformPlan } from "../../src/core/cosine-transform.ts";

const smooth = (n: number): boolean =>
  [2, 3, 5].reduce((rest, prime) => {
    let left = rest;
    while (left % prime === 0) left /= prime;
    return left;
  }, n) === 1;

test("D[k,i] = 2·cos(πk(2i+1)/2n), exactly 0, ±1 and ±2 where the cosine is", () =>
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 300 }), fc.nat(), fc.nat(), (n, row, column) => {
      const [k, i] = [row % n, column % n];
      const got = cosineMatrix(n)[k * n + i]!;
      // The definition's argument is off by a rounding of k(2i+1)π/2n ≤ πn, and its cosine by as much.
      expect(Math.abs(got - 2 * Math.cos((Math.PI * k * (2 * i + 1)) / (2 * n)))).toBeLessThanOrEqual((4 * Math.PI * n + 2) * 2 ** -53);
      if ((k * (2 * i + 1)) % (2 * n) === n) expect(got).toBe(0);
      if (k === 0) expect(got).toBe(2);
    }),
  ));

test("D·Dᵀ = diag(4n, 2n, 2n, …)", () =>
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 60 }), (n) => {
      const d = cosineMatrix(n);
      for (let a = 0; a < n; a++)
        for (let b = 0; b < n; b++) {
          let sum = 0;
          for (let i = 0; i < n; i++) sum += d[a * n + i]! * d[b * n + i]!;
          expect(Math.abs(sum - (a !== b ? 0 : a === 0 ? 4 * n : 2 * n))).toBeLessThanOrEqual(4 * n * (n + 4) * 2 ** -53);
        }
    }),
  ));

test("lengths 2^a·3^b·5^c are planned: butterflies whose sizes multiply to the points; the others are n²", () => {
  for (let n = 1; n <= 2000; n++) {
    const plan = cosineTransformPlan(n);
    expect(plan !== undefined, `${n}`).toBe(smooth(n));
    if (plan === undefined) expect(cosineTransformMultiplyAdds(n)).toBe(n * n);
    else {
      expect(plan.points).toBe(n % 2 === 0 ? n / 2 : n);
      expect(plan.radices.reduce<number>((product, radix) => product * radix, 1)).toBe(plan.points);
      expect(cosineTransformMultiplyAdds(n)).toBeLessThanOrEqual(n === 1 ? 1 : 5 * n * Math.log2(n));
    }
  }
});

test("operations by hand", () => {
  // 1: y = x + x. 2: one point, three additions and √2. 4: a butterfly of 2, point 0, and the middle's rotation by π/8.
  // 16: 8 = 4·2 points, so two butterflies of 4, four of 2 with a twiddle each, point 0, three pairs and the middle.
  expect([1, 2, 4, 16].map(cosineTransformMultiplyAdds)).toEqual([1, 4, 4 + 4 + 4, 2 * 16 + 4 * (4 + 4) + 4 + 3 * 20 + 4]);
  expect(cosineTransformMultiplyAdds(640)).toBe(64 * 36 + 3 * 80 * (16 + 12) + 4 + 159 * 20 + 4);
});
