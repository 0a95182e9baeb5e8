import fc from "fast-check";
import { expect, test } from "vitest";
import { largest, smallest } from "../../src/core/extent.ts";

test("the extent of few numbers is that of Math.min and Math.max", () =>
  fc.assert(
    fc.property(fc.array(fc.double()), (values) => {
      expect([smallest(values), largest(values)]).toEqual([Math.min(...values), Math.max(...values)]);
    }),
  ));

test("the extent of a million numbers is found", () => {
  const values = Float64Array.from({ length: 1_000_000 }, (_, i) => Math.abs(i - 400_000));
  expect([smallest(values), largest(values)]).toEqual([0, 599_999]);
});
