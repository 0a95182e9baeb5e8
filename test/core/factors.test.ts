/** Factors of integers and rounding, each against its definition by trial. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { balancedFactors, divisors, greatestCommonDivisor, nearestDivisor } from "../../src/core/factors.ts";
import { roundHalfToEven } from "../../src/core/rounding.ts";

const integers = fc.integer({ min: 1, max: 2000 });
const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i + 1);

test("divisors are all integers that divide n, in order", () =>
  fc.assert(
    fc.property(integers, (n) => {
      expect(divisors(n)).toEqual(upTo(n).filter((d) => n % d === 0));
    }),
  ));

test("the first balanced factor is the largest divisor d with dᵏ ≤ n, and the rest is balanced in the same way", () => {
  const expected = (n: number, count: number): number[] => {
    if (count === 1) return [n];
    const first = Math.max(...upTo(n).filter((d) => n % d === 0 && BigInt(d) ** BigInt(count) <= BigInt(n)));
    return [first, ...expected(n / first, count - 1)].sort((a, b) => a - b);
  };
  fc.assert(
    fc.property(integers, fc.integer({ min: 1, max: 4 }), (n, count) => {
      expect(balancedFactors(n, count)).toEqual(expected(n, count));
    }),
  );
  expect([balancedFactors(160, 2), balancedFactors(640, 3), balancedFactors(7, 2), balancedFactors(1000, 3)]).toEqual([
    [10, 16],
    [8, 8, 10],
    [1, 7],
    [10, 10, 10],
  ]);
});

test("the nearest divisor has the least ratio to the wanted number, and is the smaller one of two equally near", () => {
  const ratio = (d: number, wanted: number): number => Math.max(d / wanted, wanted / d);
  fc.assert(
    fc.property(integers, fc.double({ min: 0.5, max: 2000, noNaN: true }), (n, wanted) => {
      const best = Math.min(...divisors(n).map((d) => ratio(d, wanted)));
      const found = nearestDivisor(n, wanted);
      expect(n % found).toBe(0);
      expect(ratio(found, wanted)).toBeLessThanOrEqual(best * (1 + 1e-9));
    }),
  );
  expect(nearestDivisor(160, Math.sqrt(160))).toBe(10);
  expect(nearestDivisor(12, Math.sqrt(12))).toBe(3);
});

test("the greatest common divisor is the largest of the common divisors", () =>
  fc.assert(
    fc.property(integers, integers, integers, (a, b, c) => {
      expect(greatestCommonDivisor(a, b, c)).toBe(Math.max(...divisors(a).filter((d) => b % d === 0 && c % d === 0)));
    }),
  ));

test("rounding goes to the nearest integer, and halfway to the even one", () => {
  const table: readonly (readonly [number, number])[] = [
    [0.5, 0],
    [1.5, 2],
    [2.5, 2],
    [3.5, 4],
    [0.49999999999999994, 0],
    [2.4999999, 2],
    [2.5000001, 3],
    [-0.5, 0],
    [-1.5, -2],
  ];
  for (const [x, rounded] of table) expect(roundHalfToEven(x) + 0).toBe(rounded);
  fc.assert(
    fc.property(fc.double({ min: -1e6, max: 1e6, noNaN: true }), (x) => {
      const rounded = roundHalfToEven(x);
      expect(Number.isInteger(rounded)).toBe(true);
      expect(Math.abs(x - rounded)).toBeLessThanOrEqual(0.5);
    }),
  );
  fc.assert(
    fc.property(fc.integer({ min: -1e6, max: 1e6 }), (n) => {
      expect(Math.abs(roundHalfToEven(n + 0.5) % 2)).toBe(0);
    }),
  );
});
