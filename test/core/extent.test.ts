/** The extent of any number of values, and of plots with many points. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { largest, smallest } from "../../src/core/extent.ts";
import { logarithmic } from "../../src/report/axes.ts";

test("the extent of few numbers is that of Math.min and Math.max, also for no values and NaN", () =>
  fc.assert(
    fc.property(fc.array(fc.double(), { maxLength: 20 }), (values) => {
      expect([smallest(values), largest(values)]).toEqual([Math.min(...values), Math.max(...values)]);
      expect([smallest(new Set(values)), largest(new Set(values))]).toEqual([Math.min(...values), Math.max(...values)]);
    }),
  ));

test("the extent of a million numbers is found, and a plot shows them", () => {
  const values = Float64Array.from({ length: 1_000_000 }, (_, i) => ((i * 7919) % 1_000_000) + 1);
  expect([smallest(values), largest(values)]).toEqual([1, 1_000_000]);
  const [low, high] = logarithmic([...values], 0, 100).domain() as [number, number];
  expect(low).toBeLessThanOrEqual(1);
  expect(high).toBeGreaterThanOrEqual(1_000_000);
});
