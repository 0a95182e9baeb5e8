/**
 * How far a result may be from the float64 reference, and why: the one place that says so.
 *
 * With u half the distance from 1 to the next number, one operation is off by a factor 1 + δ, |δ| ≤ u. A sum of K products, in whatever
 * order and blocking, with or without fused multiply-add, is off by at most K·u·Σ|a||b| to first order (Higham, Accuracy and Stability of
 * Numerical Algorithms, §3.1): what bounds every contraction and reduction here, with Σ|a||b| computed by the same kernel on absolute
 * values. Functions that IEEE 754 rounds correctly (+ − × ÷ √, comparisons, copies) have no tolerance; for the others a backend states its
 * own, in units of the last place.
 */

import type { BinaryOp, UnaryOp } from "../../src/backend/kernels.ts";
import { normalCdf } from "../../src/backend/reference/special-functions.ts";
import { cosineTransformPlan } from "../../src/core/cosine-transform.ts";

export type Floating = "float32" | "float64";

/** Error of a function in units of the last place: a number, or one that depends on where the function is taken. */
export type Ulps = number | ((operands: readonly number[], result: number) => number);

/**
 * What a backend may do to numbers. The first two fields are of every backend; the others are what shading languages leave to the device
 * (WGSL §15.7 Floating Point Evaluation, GLSL ES 3.2 §4.7.1 Range and Precision) and IEEE 754, which JavaScript and WebAssembly follow,
 * does not.
 */
export interface Tolerance {
  /** The precisions to try; others must be refused with a BackendError. */
  readonly dtypes: readonly Floating[];
  /** Error of each function in float32, in units of the last place; 0 (correctly rounded) for those not named. */
  readonly ulps: Partial<Record<UnaryOp | BinaryOp, Ulps>>;
  /**
   * "flushed": a number below 2⁻¹²⁶ in size may be taken for 0 of its sign whenever it goes into an operation, and where one would come
   * out, any other such number or 0 may. Both languages allow it, operation by operation, so each operand is tried both ways.
   */
  readonly subnormals: "kept" | "flushed";
  /**
   * false: both languages let a compiler assume that there is no NaN and no ∞. None is then given, and where one would come out, anything
   * may.
   */
  readonly nonFinite: boolean;
  /**
   * Whether the zeros of a convolution's padding take part in products, so that a NaN or ∞ in the weight or in the cotangent reaches the
   * border too. A GPU may leave them out.
   */
  readonly paddingCounts: boolean;
  /** "ignored": both languages let −0 and 0 stand for each other. */
  readonly zeroSigns: "kept" | "ignored";
}

/** IEEE 754 to the letter. */
export const ieee = { subnormals: "kept", nonFinite: true, paddingCounts: true, zeroSigns: "kept" } as const;

/** Numbers below this are subnormal in float32. */
export const smallestNormal = 2 ** -126;

/** One precision: its unit roundoff, its smallest number, and how many sides of a comparison are rounded in it. */
export interface Precision {
  readonly dtype: Floating;
  readonly unit: number;
  readonly smallest: number;
  /** What is lost at most when a result underflows: the smallest number, or the smallest normal one where others are flushed. */
  readonly underflow: number;
  /** The power of two below its largest number. */
  readonly top: number;
  /** In float64 the reference's own rounding counts as well. */
  readonly sides: 1 | 2;
}

export const precisions: Record<Floating, Precision> = {
  float32: { dtype: "float32", unit: 2 ** -24, smallest: 2 ** -149, underflow: 2 ** -149, top: 2 ** 127, sides: 1 },
  float64: { dtype: "float64", unit: 2 ** -53, smallest: 2 ** -1074, underflow: 2 ** -1074, top: 2 ** 1023, sides: 2 },
};

/** The precision as the backend has it. */
export const precisionOf = (dtype: Floating, { subnormals }: Tolerance): Precision =>
  subnormals === "flushed" ? { ...precisions[dtype], underflow: smallestNormal } : precisions[dtype];

/**
 * Bound on the error of sums of `terms` products (or of a formula of as many roundings) whose absolute values add up to `magnitudes`. Two
 * more than `terms` for the terms of second order and the last rounding; `underflow` for what is lost in each product.
 */
export const sumBound = (terms: number, magnitudes: ArrayLike<number>, { unit, underflow, sides }: Precision): Float64Array =>
  Float64Array.from(magnitudes, (magnitude) => sides * ((terms + 2) * unit * magnitude + (terms + 1) * underflow));

/** The distance from |x| to the next larger number of the precision; beyond its range, that between its largest numbers. */
export function ulpOf(x: number, { unit, smallest, top }: Precision): number {
  const magnitude = Math.abs(x);
  if (!Number.isFinite(magnitude)) return 0;
  return Math.max(smallest, Math.min(top, 2 ** Math.floor(Math.log2(magnitude))) * 2 * unit);
}

/** `ulps` units in the last place of each expected value, which is that of the function at `operands`. */
export const ulpBound = (
  ulps: Ulps,
  operands: readonly ArrayLike<number>[],
  expected: ArrayLike<number>,
  precision: Precision,
): Float64Array =>
  Float64Array.from(expected, (y, i) => {
    const units =
      typeof ulps === "number"
        ? ulps
        : ulps(
            operands.map((operand) => operand[i]!),
            y,
          );
    // What is not correctly rounded in float32 is not in float64 either, and there both sides of the comparison are off.
    return precision.sides * units * ulpOf(y, precision);
  });

/**
 * `units` ulp of |g|·(Φ(x) + |x|·φ(x)): near x = −0.75 the terms of the slope cancel. Where the slope underflows, the product with g still
 * shows what was lost.
 */
export const geluGradient =
  (units: (x: number) => number): Ulps =>
  ([x, g], y) => {
    if (!Number.isFinite(y)) return 0;
    const { float32 } = precisions;
    const size = Math.min(Math.abs(x!), 40);
    const terms = normalCdf(x!) + (size * Math.exp(-0.5 * size * size)) / Math.sqrt(2 * Math.PI);
    return (units(x!) * ulpOf(terms * g!, float32) + Math.abs(g!) * float32.smallest) / ulpOf(y, float32);
  };

/**
 * Bound, in units of the roundoff, on the error of a cosine transform of length n relative to 2√n·‖x‖, which no transform exceeds: ‖D‖ ≤
 * 2√n. By the matrix it is a sum of n products, |D| ≤ 2 and Σ|x| ≤ √n·‖x‖: n. In passes of radix r, a real output of a butterfly adds up 2r
 * inputs times factors of modulus ≤ 1, rounded at most
 * 2r + 4 times on the way (the rounding of the factors included); the moduli are a matrix of norm ≤ 2r where the butterfly itself lengthens
 * every vector by √r. So each pass adds (2r + 4)·2√r, and the rotation into cosines as much as a butterfly of four with four more
 * roundings.
 */
export function cosineTransformRoundings(n: number): { readonly dense: number; readonly fast: number | undefined } {
  const plan = cosineTransformPlan(n);
  return { dense: n + 2, fast: plan?.radices.reduce((total, r) => total + (2 * r + 4) * 2 * Math.sqrt(r), 64) };
}

/**
 * exp and log are polynomials: 1.01 and 0.8 ulp at worst in millions of draws; 1/√x is two rounded operations (½ + 1 ulp);
 * tanh and sigmoid round a few more around exp. gelu and its gradient multiply the exponential by a polynomial and a quotient: 4.8 ulp at
 * worst. The others compute in float64 with relative errors below 10⁻⁹, which is less than 0.02 of a unit, and round once.
 */
export const wasm: Tolerance = {
  ...ieee,
  dtypes: ["float32", "float64"],
  ulps: {
    exp: 1.5,
    log: 1.5,
    reciprocalSqrt: 1.5,
    tanh: 2,
    sigmoid: 3,
    erf: 0.52,
    normalCdf: 0.52,
    gelu: 5,
    geluGradient: geluGradient(() => 5),
    expm1: 0.52,
    log1p: 0.52,
    sin: 0.52,
    cos: 0.52,
    power: 0.52,
  },
};
