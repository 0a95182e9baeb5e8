/**
 * Values for tensors. A property draws a seed and generates the values from it, so that a counterexample is a seed and a few sizes instead
 * of a long list of numbers. Seeds shrink towards 0, which gives the values 1, 2, 3, ….
 */

import fc from "fast-check";
import { Random } from "../../src/core/random.ts";

export const seeds: fc.Arbitrary<number> = fc.nat({ max: 2 ** 20 });

/**
 * - `normal`: standard normal.
 * - `integers`: −4 … 4, so that sums are exact in float32 and ties are frequent.
 * - `positive`: e^(3·normal).
 * - `extreme`: normal, with half of them replaced by NaN, ±∞, ±0, subnormal and very large numbers, and those where exp overflows or
 * underflows.
 * - `nonFinite`: normal, with one in eight replaced by NaN or ±∞.
 */
export type ValueKind = "normal" | "integers" | "positive" | "extreme" | "nonFinite";

const nonFinite = [Number.NaN, Infinity, -Infinity];
const simple = [0, -0, 1, -1, 0.5, -0.5];
/** The smallest subnormal, normal and relative steps of float32. */
const smallSteps = [2 ** -149, -(2 ** -149), 2 ** -127, -(2 ** -127), 2 ** -126, 2 ** -24, 1 + 2 ** -23];
const largestFloats = [Math.fround(3.4028234e38), Math.fround(-3.4028234e38)];
/** The exponents around which exp overflows, becomes subnormal, and underflows in float32. */
const exponentEdges = [88.5, 89, -87, -88, -103, -104];
const large = [1e30, -1e30, 16777216, -16777215];
const extremes = [...nonFinite, ...simple, ...smallSteps, ...largestFloats, ...exponentEdges, ...large];

const pick = (random: Random, list: readonly number[]): number => list[random.integer(list.length)]!;

const draws: Record<ValueKind, (random: Random) => number> = {
  normal: (random) => random.normal(),
  integers: (random) => random.integer(9) - 4,
  positive: (random) => Math.exp(3 * random.normal()),
  extreme: (random) => (random.integer(2) === 0 ? pick(random, extremes) : random.normal()),
  nonFinite: (random) => (random.integer(8) === 0 ? pick(random, nonFinite) : random.normal()),
};

/** `count` values from a seed, rounded to float32 so that float32 and float64 kernels get the same inputs. Default kind: `normal`. */
export function valuesOf(seed: number, count: number, kind: ValueKind = "normal"): Float64Array {
  if (seed === 0) return Float64Array.from({ length: count }, (_, i) => i + 1);
  const random = new Random(seed);
  return Float64Array.from({ length: count }, () => Math.fround(draws[kind](random)));
}

/**
 * The same values for kernels that do not handle NaN and ∞: these become 1, and the others are limited to ±1e18, so that products of two
 * are finite.
 */
export const finiteValuesOf = (seed: number, count: number, kind?: ValueKind): Float64Array =>
  valuesOf(seed, count, kind).map((x) => (Number.isFinite(x) ? Math.max(-1e18, Math.min(1e18, x)) : 1));

/** `count` standard normal values in full float64 precision. */
export function preciseValuesOf(seed: number, count: number): Float64Array {
  const random = new Random(seed);
  return Float64Array.from({ length: count }, () => random.normal());
}

/** `count` integers in [0, bound), as indices for gather. */
export function indicesOf(seed: number, count: number, bound: number): Int32Array {
  const random = new Random(seed);
  return Int32Array.from({ length: count }, () => random.integer(bound));
}
