/**
 * Numbers for tensors. A property draws a seed and builds the numbers inside, so a counterexample is a seed and a few sizes, not a
 * page of digits. Seed 0, which seeds shrink to, gives 1, 2, 3, …: numbers one can follow by hand.
 */

import fc from "fast-check";
import { Random } from "../../src/core/random.ts";

export const seeds: fc.Arbitrary<number> = fc.nat({ max: 2 ** 20 });

/**
 * `normal`: standard normal. `integers`: −4 … 4, so sums are exact in float32 and ties abound. `positive`: e^(3·normal).
 * `extreme`: normal numbers, half of them replaced by NaN, ±∞, ±0, denormals, the largest, and the edges where exp overflows or vanishes.
 * `nonFinite`: normal numbers, one in eight replaced by NaN or ±∞.
 */
export type ValueKind = "normal" | "integers" | "positive" | "extreme" | "nonFinite";

const nonFinite = [Number.NaN, Infinity, -Infinity];
const extremes = [
  ...nonFinite,
  ...[0, -0, 1, -1, 0.5, -0.5, 2 ** -149, -(2 ** -149), 2 ** -127, -(2 ** -127), 2 ** -126, 2 ** -24, 1 + 2 ** -23],
  ...[Math.fround(3.4028234e38), Math.fround(-3.4028234e38), 88.5, 89, -87, -88, -103, -104, 1e30, -1e30, 16777216, -16777215],
];

const pick = (random: Random, list: readonly number[]): number => list[random.integer(list.length)]!;

const draws: Record<ValueKind, (random: Random) => number> = {
  normal: (random) => random.normal(),
  integers: (random) => random.integer(9) - 4,
  positive: (random) => Math.exp(3 * random.normal()),
  extreme: (random) => (random.integer(2) === 0 ? pick(random, extremes) : random.normal()),
  nonFinite: (random) => (random.integer(8) === 0 ? pick(random, nonFinite) : random.normal()),
};

/** `count` numbers of float32 precision, decided by the seed: equal in float32 and float64, so both compute on the same inputs. */
export function valuesOf(seed: number, count: number, kind: ValueKind = "normal"): Float64Array {
  if (seed === 0) return Float64Array.from({ length: count }, (_, i) => i + 1);
  const random = new Random(seed);
  return Float64Array.from({ length: count }, () => Math.fround(draws[kind](random)));
}

/** The same for what promises neither NaN nor ∞: 1 in their place, and none so large that a product of two overflows. */
export const finiteValuesOf = (seed: number, count: number, kind?: ValueKind): Float64Array =>
  valuesOf(seed, count, kind).map((x) => (Number.isFinite(x) ? Math.max(-1e18, Math.min(1e18, x)) : 1));

/** `count` numbers with all their 53 bits, for float64 alone. */
export function preciseValuesOf(seed: number, count: number): Float64Array {
  const random = new Random(seed);
  return Float64Array.from({ length: count }, () => random.normal());
}

/** `count` integers in [0, bound): what gather takes. */
export function indicesOf(seed: number, count: number, bound: number): Int32Array {
  const random = new Random(seed);
  return Int32Array.from({ length: count }, () => random.integer(bound));
}
