/** The extremes of any number of values, and of plots with many points. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { maximumOf, minimumOf } from "../../src/core/extremes.ts";
import { logarithmic } from "../../src/report/axes.ts";

test("they are those of Math.max and Math.min, also for no values and NaN", () =>
  fc.assert(
    fc.property(fc.array(fc.double(), { maxLength: 20 }), (values) => {
      expect(maximumOf(values)).toBe(Math.max(...values));
      expect(minimumOf(new Set(values))).toBe(Math.min(...values));
    }),
  ));

test("a million values are no more difficult than ten", () => {
  const values = Float64Array.from({ length: 1_000_000 }, (_, i) => ((i * 7919) % 1_000_000) + 1);
  expect([maximumOf(values), minimumOf(values)]).toEqual([1_000_000, 1]);
  const [low, high] = logarithmic([...values], 0, 100).domain() as [number, number];
  expect(low).toBeLessThanOrEqual(1);
  expect(high).toBeGreaterThanOrEqual(1_000_000);
});
