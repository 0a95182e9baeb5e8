import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { AxisSplit } from "../../../src/backend/kernels.ts";
import { axisSplits } from "../../arbitraries/shapes.ts";
import { seeds, valuesOf } from "../../arbitraries/values.ts";
import { at } from "../../support/nd-array.ts";
import { float64, numbers, reference } from "./run-kernels.ts";

/** The elements of each line that a reduction runs along. */
function linesOf(values: ArrayLike<number>, { outer, axis, inner }: AxisSplit): number[][] {
  const array = { shape: [outer, axis, inner], values: Array.from(values) };
  return Array.from({ length: outer * inner }, (_, line) =>
    Array.from({ length: axis }, (_, k) => at(array, [Math.floor(line / inner), k, line % inner])),
  );
}

describe("reduce", () => {
  it("is the sum and the maximum of each line", () => {
    fc.assert(
      fc.property(seeds, axisSplits(6), (seed, split) => {
        const x = valuesOf(seed, split.outer * split.axis * split.inner, "integers");
        const lines = linesOf(x, split);
        expect(numbers(reference.reduce("sum", float64(x), split))).toEqual(lines.map((line) => line.reduce((a, b) => a + b, 0)));
        expect(numbers(reference.reduce("max", float64(x), split)).map((y) => y + 0)).toEqual(lines.map((line) => Math.max(...line) + 0));
      }),
    );
  });

  it("of no elements is 0 for a sum and −∞ for a maximum", () => {
    const split = { outer: 2, axis: 0, inner: 1 };
    expect(numbers(reference.reduce("sum", float64([]), split))).toEqual([0, 0]);
    expect(numbers(reference.reduce("max", float64([]), split))).toEqual([-Infinity, -Infinity]);
  });

  it("has the maximum NaN for a line with NaN at any place", () => {
    fc.assert(
      fc.property(fc.array(fc.double(), { minLength: 1, maxLength: 5 }), fc.nat(), (values, pick) => {
        const line = values.with(pick % values.length, Number.NaN);
        expect(numbers(reference.reduce("max", float64(line), { outer: 1, axis: line.length, inner: 1 }))).toEqual([Number.NaN]);
      }),
    );
  });
});

describe("argmax", () => {
  it("is the first position of the maximum", () => {
    fc.assert(
      fc.property(seeds, axisSplits(6, false), (seed, split) => {
        const x = valuesOf(seed, split.outer * split.axis * split.inner, "integers");
        expect(numbers(reference.argmax(float64(x), split))).toEqual(linesOf(x, split).map((line) => line.indexOf(Math.max(...line))));
      }),
    );
  });

  it("is the position of the first NaN, if there is one", () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.double(), fc.constant(Number.NaN)), { minLength: 1, maxLength: 6 }), (line) => {
        fc.pre(line.some(Number.isNaN));
        expect(numbers(reference.argmax(float64(line), { outer: 1, axis: line.length, inner: 1 }))).toEqual([line.findIndex(Number.isNaN)]);
      }),
    );
  });
});
