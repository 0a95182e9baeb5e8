/**
 * The errors that the GPU modes may have relative to the reference, and their reasons.
 *
 * Both shading languages guarantee the same accuracy (WGSL §15.7.4.1 Accuracy of Concrete Floating Point Expressions; GLSL ES 3.2 §4.7.1):
 *
 * - exp: 3 + 2|x| ulp; log: 3 ulp, or 2⁻²¹ for x in [½, 2]; pow(x, y): that of exp2(y·log2(x));
 * - division: 2.5 ulp; 1/√x: 2 ulp; √x: that of 1/(1/√x); sums and products: 1 ulp.
 *
 * The tolerances of tanh, sigmoid, erf, sin and cos, which the backend composes itself, follow from these. Software drivers compute the
 * four arithmetic operations and √ as IEEE 754 requires, so `onSoftware` allows errors in the functions only. `byTheLanguages` is for
 * hardware and allows every error that the languages allow.
 */

import type { GpuModeName } from "../../../src/backend/gpu/gpu-mode.ts";
import { geluGradient, ieee, precisions, smallestNormal, type Tolerance, type Ulps, ulpOf } from "../conformance-tolerance.ts";

const ulp = (y: number): number => ulpOf(y, precisions.float32);

/** An absolute error, in ulps of y. */
const absolute = (error: number, y: number): number => (Number.isFinite(y) ? error / ulp(y) : 0);

/** Beyond this |x|, sin and cos are the language's own, with no guaranteed accuracy: any number in [−1, 1] is accepted. */
const reducible = 8192;

/** `near` ulp, and the error of representing π/2 by three parts: 2⁻²⁴ of the third part and of its product with k ≤ |x|. */
const circular =
  (near: number, far?: number): Ulps =>
  ([x], y) => {
    const size = Math.abs(x!);
    return size <= reducible ? near + absolute(size * 2 ** -46, y) : (far ?? absolute(2, y));
  };

/**
 * The guaranteed accuracy of exp and log, and 1 ulp more for SwiftShader. It computes exp by exp2 of a rounded product and log by a rounded
 * product with log2. Its error is 3.14 ulp for exp(−0.054), where the languages allow 3.11, and 3.05 ulp for log(0.4547).
 */
const exp: Ulps = ([x]) => 4 + 2 * Math.abs(x!);

const log: Ulps = ([x], y) => (x! >= 0.5 && x! <= 2 ? absolute(2 ** -21, y) : 4);

/** `near` ulp for |x| < 1. Elsewhere it is exp and one more rounding, where an error of exp counts relative to eˣ − 1. */
const expm1 =
  (near: number, exponential: (x: number) => number): Ulps =>
  ([x], y) =>
    Math.abs(x!) < 1 ? near : 1 + (Number.isFinite(y) ? (exponential(x!) * ulp(Math.exp(x!))) / ulp(y) : 0);

/** `near` ulp where the series is used. Elsewhere it is log(1 + x), whose argument is rounded once: 2⁻²⁴ in the result. */
const log1p =
  (near: number, far: number): Ulps =>
  ([x], y) =>
    x! >= -0.5 && x! <= 1 ? near : far + absolute(2 ** -24, y);

/**
 * xʸ = 2ᵖ with p = y·log₂x. The error of p is |y| times that of log₂x, and the rounding of p. The error of 2ᵖ is ln 2 times the error of p,
 * relative to 2ᵖ (2⁻²⁴ of a number is at most one ulp), and the 4 + 2|p| ulp of exp2.
 */
const power: Ulps = ([x, y], z) => {
  const base = Math.abs(x!);
  if (!Number.isFinite(z) || z === 0 || base === 0 || !Number.isFinite(base) || !Number.isFinite(y!)) return 0;
  const logarithm = Math.log2(base);
  const p = y! * logarithm;
  const logError = base >= 0.5 && base <= 2 ? 2 ** -21 : 4 * ulp(logarithm);
  // A subnormal base is scaled first, which takes another power.
  const scaling = base < smallestNormal ? 4 + 2 * 24 * Math.abs(y!) : 0;
  return scaling + (Math.LN2 * (Math.abs(y!) * logError + ulp(p))) / 2 ** -24 + 4 + 2 * Math.abs(p);
};

/** `near` ulp, and the error of e^(−x²/2) by the language's exp. */
const gaussian =
  (near: number) =>
  (x: number): number =>
    near + Math.min(x * x, 250);

/** The functions that are e^(−x²/2) times a quotient: the polynomial and the products take `near` ulp. */
const normalTail = (near: number): Partial<Tolerance["ulps"]> => {
  const ofArgument: Ulps = ([x]) => gaussian(near)(x!);
  return { normalCdf: ofArgument, gelu: ofArgument, geluGradient: geluGradient(gaussian(near)) };
};

/**
 * gpu.js's plain JavaScript computes in float64 and rounds at the end, as the reference does. Only the series of sin and cos are shorter:
 * 2·10⁻⁹. The polynomial of normalCdf and gelu is off by 3·10⁻⁹, and the slope's terms by as much each.
 */
const cpu: Tolerance = {
  ...ieee,
  paddingCounts: false,
  dtypes: ["float32"],
  ulps: {
    normalCdf: 0.6,
    gelu: 0.6,
    geluGradient: geluGradient(() => 0.6),
    sin: circular(0.6, 0),
    cos: circular(0.6, 0),
    log1p: log1p(0.6, 0),
  },
};

/**
 * gpu.js's WebAssembly rounds every operation to float32; exp, log and pow are those of JavaScript, rounded.
 *
 * - 1/√x: two rounded operations, ½ + 1 ulp.
 * - log1p: a quotient, a product and a sum near 0. expm1: as tanh, with a quotient whose divisor is at least half of its larger term.
 * - tanh: a quotient of polynomials whose leading terms dominate, about four roundings.
 * - sigmoid: three roundings after exp.
 * - erf: a series of up to twenty terms, each with the roundings of those before it, times e^(−x²) with x² rounded.
 * - normalCdf, gelu and its gradient: two exponentials, a polynomial of degree 9, a quotient and four products.
 * - sin, cos: the last steps of Horner's scheme, and those of the reduction.
 */
const webasm: Tolerance = {
  ...ieee,
  paddingCounts: false,
  dtypes: ["float32"],
  ulps: {
    reciprocalSqrt: 1.5,
    expm1: expm1(6, () => 0.5),
    log1p: log1p(4, 0.5),
    tanh: 4,
    sigmoid: 3,
    erf: 10,
    normalCdf: 8,
    gelu: 8,
    geluGradient: geluGradient(() => 8),
    sin: circular(2, 0.5),
    cos: circular(2, 0.5),
    // The programs scale subnormal numbers up, because shading languages need it. This adds one or two roundings.
    log: ([x]) => (x! < smallestNormal ? 1.5 : 0),
    power: ([x]) => (Math.abs(x!) < smallestNormal ? 3 : 0),
  },
};

/**
 * As `webasm`, with exp as the languages guarantee it. From m = 0.55 on, tanh is 1 − 2/(e²ᵐ + 1), whose error there is ¾ of the 4 + 4m ulp
 * of exp and the two roundings after it.
 */
const onSoftware: Tolerance = {
  ...ieee,
  paddingCounts: false,
  dtypes: ["float32"],
  subnormals: "flushed",
  ulps: {
    exp,
    log,
    power,
    expm1: expm1(6, (x) => 4 + 2 * Math.abs(x)),
    log1p: log1p(4, 4),
    reciprocalSqrt: 1.5,
    tanh: 7,
    sigmoid: ([x]) => 6 + 2 * Math.max(0, -x!),
    erf: 16,
    ...normalTail(16),
    sin: circular(2),
    cos: circular(2),
  },
};

const byTheLanguages: Tolerance = {
  dtypes: ["float32"],
  subnormals: "flushed",
  nonFinite: false,
  paddingCounts: false,
  zeroSigns: "ignored",
  ulps: {
    add: 1,
    subtract: 1,
    multiply: 1,
    divide: 2.5,
    reciprocal: 2.5,
    // √x is the reciprocal of the language's 1/√x. The backend's 1/√x divides once more.
    sqrt: 4.5,
    reciprocalSqrt: 7,
    exp,
    log,
    power,
    expm1: expm1(14, (x) => 4 + 2 * Math.abs(x)),
    log1p: log1p(10, 4),
    // As on software, with 1 ulp in place of ½ for each rounding, and 2.5 ulp for each division.
    tanh: 12,
    erf: 48,
    ...normalTail(24),
    sin: circular(4),
    cos: circular(4),
    sigmoid: ([x]) => 9 + 2 * Math.max(0, -x!),
  },
};

export function toleranceOf(mode: GpuModeName, software: boolean): Tolerance {
  if (mode === "cpu") return cpu;
  if (mode === "webasm") return webasm;
  // headless-gl reports the driver ANGLE; under xvfb, ANGLE runs on llvmpipe, which is software.
  return software || mode === "headlessgl" ? onSoftware : byTheLanguages;
}
