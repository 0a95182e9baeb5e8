/** Integers as products of nearly equal integers. Structured layers split a number of channels into modes this way. */

import { ConfigError } from "./errors.ts";

/** The divisors of n, smallest first. @throws ConfigError unless n is an integer ≥ 1. */
export function divisors(n: number): number[] {
  if (!Number.isInteger(n) || n < 1) throw new ConfigError(`divisors: needs an integer ≥ 1, got ${n}`);
  const low = Array.from({ length: Math.floor(Math.sqrt(n)) }, (_, i) => i + 1).filter((d) => n % d === 0);
  const high = low.map((d) => n / d).reverse();
  return [...low, ...high.filter((d) => d !== low.at(-1))];
}

/**
 * n as a product of `count` factors, smallest first, as near to n^(1/count) as the divisors of n allow: 160 → [10,16], 640 → [8,8,10], 7 →
 * [1,7].
 */
export function balancedFactors(n: number, count: number): number[] {
  if (count === 1) return [n];
  const first = divisors(n)
    .filter((d) => d <= n ** (1 / count) * (1 + 1e-12))
    .at(-1)!;
  return [first, ...balancedFactors(n / first, count - 1)].sort((a, b) => a - b);
}

/** The divisor of n whose ratio to `wanted` is nearest to 1. If two divisors are equally near, the smaller one. */
export function nearestDivisor(n: number, wanted: number): number {
  const distance = (d: number): number => Math.abs(Math.log(d / wanted));
  return divisors(n).reduce((best, d) => (distance(d) < distance(best) - 1e-12 ? d : best));
}

/** The greatest integer that divides every one of `numbers`. */
export const greatestCommonDivisor = (...numbers: readonly number[]): number =>
  numbers.reduce((a, b) => {
    while (b !== 0) [a, b] = [b, a % b];
    return a;
  });
