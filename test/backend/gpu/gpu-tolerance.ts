/**
 * How far the GPU modes may be from the reference, and why.
 *
 * Both shading languages state the accuracy of their functions in one and the same table (WGSL §15.7.4.1 Accuracy of Concrete Floating
 * Point Expressions; GLSL ES 3.2 §4.7.1): exp 3 + 2|x| ulp; log 3 ulp, or 2⁻²¹ for x in [½, 2]; pow(x, y) inherited from exp2(y·log2(x));
 * division 2.5 ulp; 1/√x 2 ulp; √x inherited from 1/(1/√x); sums and products rounded to either neighbour, 1 ulp. What the backend writes
 * out itself (tanh, sigmoid, erf, sin, cos) follows from these. A driver in software does the four operations and √ as IEEE 754 has them,
 * so `onSoftware` grants it only the functions; `byTheLanguages` is for real devices, which may use all that is promised.
 */

import type { GpuModeName } from "../../../src/backend/gpu/gpu-mode.ts";
import { ieee, precisions, smallestNormal, type Tolerance, type Ulps, ulpOf } from "../conformance-tolerance.ts";

const ulp = (y: number): number => ulpOf(y, precisions.float32);

/** ulps of an absolute error. */
const absolute = (error: number, y: number): number => (Number.isFinite(y) ? error / ulp(y) : 0);

/** From here on, sin and cos are the language's own, which promises nothing of them: any number in [−1, 1] will do. */
const reducible = 8192;

/** By the reduction: `near` ulp, and what π/2 in three parts leaves over, 2⁻²⁴ of the third part and of its product with k ≤ |x|. */
const circular =
  (near: number, far?: number): Ulps =>
  ([x], y) => {
    const size = Math.abs(x!);
    return size <= reducible ? near + absolute(size * 2 ** -46, y) : (far ?? absolute(2, y));
  };

/**
 * The table's errors and 1 ulp more, which SwiftShader needs: as exp2 of a rounded product and a rounded product with log2 they are at 3.14
 * ulp for exp(−0.054), where the table has 3.11, and at 3.05 for log(0.4547).
 */
const exp: Ulps = ([x]) => 4 + 2 * Math.abs(x!);

const log: Ulps = ([x], y) => (x! >= 0.5 && x! <= 2 ? absolute(2 ** -21, y) : 4);

/**
 * Through p = y·log₂x: p is off by |y| times the error of log₂x and by its own rounding, 2ᵖ by ln 2 times that (2⁻²⁴ of a number is at most
 * one ulp) and by exp2's 4 + 2|p|.
 */
const power: Ulps = ([x, y], z) => {
  const base = Math.abs(x!);
  if (!Number.isFinite(z) || z === 0 || base === 0 || !Number.isFinite(base) || !Number.isFinite(y!)) return 0;
  const logarithm = Math.log2(base);
  const p = y! * logarithm;
  const logError = base >= 0.5 && base <= 2 ? 2 ** -21 : 4 * ulp(logarithm);
  // A subnormal base is scaled first, by another power.
  const scaling = base < smallestNormal ? 4 + 2 * 24 * Math.abs(y!) : 0;
  return scaling + (Math.LN2 * (Math.abs(y!) * logError + ulp(p))) / 2 ** -24 + 4 + 2 * Math.abs(p);
};

/**
 * gpu.js's plain JavaScript: float64 throughout and rounded once at the end, as the reference does. Only sin and cos stop their series
 * early, at 2·10⁻⁹.
 */
const cpu: Tolerance = { ...ieee, dtypes: ["float32"], ulps: { sin: circular(0.6, 0), cos: circular(0.6, 0) } };

/**
 * gpu.js's WebAssembly: float32 from operation to operation; exp, log and pow are JavaScript's, rounded. Two rounded operations make 1/√x
 * (½ + 1 ulp). tanh: a quotient of polynomials whose leading terms outweigh the rest, some four roundings that count. sigmoid: three after
 * exp. erf: a series of up to twenty terms, each of which carries the roundings of those before it, times e^(−x²) with x² rounded. sin,
 * cos: Horner's last steps and the reduction's.
 */
const webasm: Tolerance = {
  ...ieee,
  dtypes: ["float32"],
  ulps: {
    reciprocalSqrt: 1.5,
    tanh: 4,
    sigmoid: 3,
    erf: 10,
    sin: circular(2, 0.5),
    cos: circular(2, 0.5),
    // Subnormal numbers are scaled up for shading languages' sake, which costs a rounding or two.
    log: ([x]) => (x! < smallestNormal ? 1.5 : 0),
    power: ([x]) => (Math.abs(x!) < smallestNormal ? 3 : 0),
  },
};

/**
 * On top of webasm's: exp as the languages have it. tanh = 1 − 2/(e²ᵐ + 1) takes over at m = 0.55, where it carries ¾ of exp's 4 + 4m and
 * the two roundings after it.
 */
const onSoftware: Tolerance = {
  ...ieee,
  dtypes: ["float32"],
  subnormals: "flushed",
  ulps: {
    exp,
    log,
    power,
    reciprocalSqrt: 1.5,
    tanh: 7,
    sigmoid: ([x]) => 6 + 2 * Math.max(0, -x!),
    erf: 16,
    sin: circular(2),
    cos: circular(2),
  },
};

const byTheLanguages: Tolerance = {
  dtypes: ["float32"],
  subnormals: "flushed",
  nonFinite: false,
  zeroSigns: "ignored",
  ulps: {
    ...{ add: 1, subtract: 1, multiply: 1, divide: 2.5, reciprocal: 2.5 },
    // 1/√x by the language, and its reciprocal; for 1/√x we divide once more.
    ...{ sqrt: 4.5, reciprocalSqrt: 7 },
    ...{ exp, log, power },
    // As on software, with 1 ulp for ½ at each rounding and 2.5 for each division.
    ...{ tanh: 12, erf: 48, sin: circular(4), cos: circular(4) },
    sigmoid: ([x]) => 9 + 2 * Math.max(0, -x!),
  },
};

export function toleranceOf(mode: GpuModeName, software: boolean): Tolerance {
  if (mode === "cpu") return cpu;
  if (mode === "webasm") return webasm;
  // headless-gl gives its driver's name as ANGLE; under xvfb that is Mesa's llvmpipe.
  return software || mode === "headlessgl" ? onSoftware : byTheLanguages;
}
