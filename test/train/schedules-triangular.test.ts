/** The triangular schedule and the warm-up, by their ends, their straight lines and their integral. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { ConfigError } from "../../src/core/errors.ts";
import { cosine, triangular, warmUp } from "../../src/train/schedules.ts";

const cases = fc.record({
  peak: fc.double({ min: 1e-3, max: 10, noNaN: true }),
  epochs: fc.integer({ min: 1, max: 100 }),
  warmup: fc.double({ min: 0.01, max: 0.95, noNaN: true }),
  start: fc.double({ min: 0, max: 1, noNaN: true }),
  end: fc.double({ min: 0, max: 1, noNaN: true }),
});

/** The mean of a function over [0, last], by the midpoint rule. */
const meanOf = (f: (at: number) => number, last: number, pieces: number): number =>
  Array.from({ length: pieces }, (_, i) => f(((i + 0.5) / pieces) * last)).reduce((a, b) => a + b) / pieces;

test("begins at start·peak, has its peak at the end of the warm-up, and ends at end·peak", () =>
  fc.assert(
    fc.property(cases, (options) => {
      const { peak, epochs, warmup, start, end } = options;
      const rate = triangular(options);
      const near = (got: number, wanted: number): void => expect(Math.abs(got - wanted)).toBeLessThanOrEqual(1e-12 * peak);
      near(rate(0), start * peak);
      near(rate(warmup * epochs), peak);
      near(rate(epochs), end * peak);
      near(rate(2 * epochs), end * peak);
      near(rate((warmup * epochs) / 2), ((1 + start) / 2) * peak);
      near(rate(((1 + warmup) / 2) * epochs), ((1 + end) / 2) * peak);
    }),
  ));

test("has the integral of two trapezia", () =>
  fc.assert(
    fc.property(cases, (options) => {
      const { peak, epochs, warmup, start, end } = options;
      const expected = (peak * (warmup * (start + 1) + (1 - warmup) * (1 + end))) / 2;
      const pieces = 2000;
      // The midpoint rule is exact on straight lines. In the piece with the corner, its error is at most an eighth of the change of slope,
      // peak/w + peak/(1 − w), times the squared length of a piece.
      const corner = peak / (8 * pieces ** 2) / (warmup * (1 - warmup));
      expect(Math.abs(meanOf(triangular(options), epochs, pieces) - expected)).toBeLessThanOrEqual(corner + 1e-12 * peak);
    }),
  ));

test("without a warm-up it falls from the first step, and its defaults are those of airbench", () => {
  const falling = triangular({ peak: 2, epochs: 4, warmup: 0, end: 0 });
  expect([0, 1, 2, 3, 4].map(falling)).toEqual([2, 1.5, 1, 0.5, 0]);
  const usual = triangular({ peak: 1, epochs: 100 });
  expect([usual(0), usual(100)]).toEqual([0.2, expect.closeTo(0.07, 12)]);
  expect(usual(23)).toBeCloseTo(1, 12);
});

test("a warm-up multiplies another schedule by a line from 0 to 1, and then leaves it", () =>
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20 }), fc.double({ min: 0.01, max: 60, noNaN: true }), (epochs, progress) => {
      const inner = cosine({ base: 0.3, epochs: 50 });
      const rate = warmUp(inner, epochs);
      expect(rate(0)).toBe(0);
      if (progress >= epochs) expect(rate(progress)).toBe(inner(progress));
      else expect(rate(progress) * epochs).toBeCloseTo(inner(progress) * progress, 12);
    }),
  ));

test.each([
  ["a peak of 0", () => triangular({ peak: 0, epochs: 1 })],
  ["no epochs", () => triangular({ peak: 1, epochs: 0 })],
  ["a warm-up of 1", () => triangular({ peak: 1, epochs: 1, warmup: 1 })],
  ["a negative start", () => triangular({ peak: 1, epochs: 1, start: -0.1 })],
  ["an end that is NaN", () => triangular({ peak: 1, epochs: 1, end: Number.NaN })],
  ["a warm-up of no epochs", () => warmUp(() => 1, 0)],
])("refuses %s", (_, make) => expect(make).toThrow(ConfigError));
