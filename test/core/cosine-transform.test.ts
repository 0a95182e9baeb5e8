/** The cosine matrix against its definition, and the properties of the plan of the fast transform. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { cosineMatrix, cosineTransformMultiplyAdds, cosineTransformPlan } from "../../src/core/cosine-transform.ts";

/** Whether n = 2^a·3^b·5^c. */
const smooth = (n: number): boolean =>
  [2, 3, 5].reduce((rest, prime) => {
    let left = rest;
    while (left % prime === 0) left /= prime;
    return left;
  }, n) === 1;

test("D[k,i] = 2·cos(πk(2i+1)/2n), and exactly 0 or 2 where the cosine is 0 or k is 0", () =>
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 300 }), fc.nat(), fc.nat(), (n, row, column) => {
      const [k, i] = [row % n, column % n];
      const got = cosineMatrix(n)[k * n + i]!;
      // The argument k(2i+1)π/2n ≤ πn of the definition has a rounding error, and its cosine has the same absolute error.
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

test("a length 2^a·3^b·5^c has a plan whose radices multiply to its points; any other length costs n²", () => {
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

test("costs counted by hand", () => {
  // n = 1 is y = x + x. n = 2 has one point: three additions and a product with √2. n = 4 has a butterfly of radix 2, point 0, and the
  // middle point. n = 16 has 8 = 4·2 points: two butterflies of radix 4, four of radix 2 with one twiddle factor each, point 0, three
  // pairs, and the middle point.
  expect([1, 2, 4, 16].map(cosineTransformMultiplyAdds)).toEqual([1, 4, 4 + 4 + 4, 2 * 16 + 4 * (4 + 4) + 4 + 3 * 20 + 4]);
  expect(cosineTransformMultiplyAdds(640)).toBe(64 * 36 + 3 * 80 * (16 + 12) + 4 + 159 * 20 + 4);
});
