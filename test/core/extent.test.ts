/** The extent of any number of values, and of plots with many points. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { largest, smallest } from "../../src/core/extent.ts";
import { logarithmic } from "../../src/report/axes.ts";

test("the extent of few numbers is that of Math.min and Math.max, also for no values and NaN", () =>
  fc.assert(
    fc.property(fc.array(fc.double(), { maxLength: 20 }), (values) => {
      expect([smallest(values), largest(values)]).toEqual([Math.min(...values), Math.max(...values)]);
      // A set holds 0 in place of −0.
      const set = new Set(values);
      expect([smallest(set), largest(set)]).toEqual([Math.min(...set), Math.max(...set)]);
    }),
  ));

test("the extent of a million numbers is found, and a plot shows them", () => {
  const values = Float64Array.from({ length: 1_000_000 }, (_, i) => ((i * 7919) % 1_000_000) + 1);
  expect([smallest(values), largest(values)]).toEqual([1, 1_000_000]);
  const [low, high] = logarithmic([...values], 0, 100).domain() as [number, number];
  expect(low).toBeLessThanOrEqual(1);
  expect(high).toBeGreaterThanOrEqual(1_000_000);
});

test("no source spreads a list into Math.max or Math.min", () => {
  const root = join(import.meta.dirname, "../../src");
  const spread = /Math\.(max|min)\((?:[^()]|\([^()]*\))*\.\.\./;
  const isComment = /^ *(\/\*\*|\*|\/\/)/;
  const spreads = (path: string): boolean =>
    readFileSync(join(root, path), "utf8")
      .split("\n")
      .some((line) => !isComment.test(line) && spread.test(line));
  const sources = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith(".ts"));
  expect(sources.length).toBeGreaterThan(300);
  expect(sources.filter(spreads)).toEqual([]);
});
