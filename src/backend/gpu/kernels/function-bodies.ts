/**
 * The bodies of the elementwise functions. Shading languages guarantee little accuracy for tanh, erf, sin, cos and power, so these are
 * composed of operations whose accuracy is guaranteed.
 */

import type { BinaryOp, UnaryOp } from "../../kernels.ts";
import { isNotANumber } from "../program.ts";

/**
 * sin and cos of x by reduction to |r| ≤ π/4, with π/2 in three parts (Cody & Waite 1980), and Taylor polynomials. The products of the
 * parts with k are exact up to |x| = 8192. Larger x go to the shading language's own function, whose accuracy is not guaranteed there.
 */
const circular = (name: "sin" | "cos", quadrant: string): string => `
    const m = Math.abs(v);
    if (m > 8192.0 && m <= 3.4028234663852886e38) { return Math.${name}(v); }
    const k = Math.floor(v * 0.63661977236 + 0.5);
    const r = ((v - k * 1.5703125) - k * 0.0004837512969970703) - k * 7.549789948768648e-8;
    const z = r * r;
    const s = r + r * z * (-0.16666666666 + z * (0.00833333333 + z * (-0.000198412698 + z * 0.00000275573192)));
    const c = 1.0 + z * (-0.5 + z * (0.04166666666 + z * (-0.00138888889 + z * (0.0000248015873 - z * 0.000000275573192))));
    const q = ${quadrant} - 4.0 * Math.floor((${quadrant} + 0.25) / 4.0);
    if (q < 0.5) { return s; }
    if (q < 1.5) { return c; }
    if (q < 2.5) { return -s; }
    return -c;`;

/**
 * Drivers read the exponent of a smaller number from its bits, which is wrong for subnormal numbers: they give log(2⁻¹⁴⁹) = log(2⁻¹²⁷).
 * Such a number is scaled up first. If the device flushes it to 0, it stays 0.
 */
const smallestNormal = "1.1754943508222875e-38";

/**
 * With t = min(|x|, 15), the factors of the tail Φ(−t) = ratio·gaussian of the normal distribution: m(t) = Φ(−t)·e^(t²/2) by the polynomial
 * of the vector kernels (backend/wasm/assembly/gelu.ts), and e^(−t²/2). The head of the square is exact: it has at most 10 bits.
 */
const normalTail = (x: string): string => `
    const t = Math.min(Math.abs(${x}), 15.0);
    const quotient = 1.0 / (t + 4.25);
    const w = 0.5 - t * quotient;
    const high = 0.6197991974318839 + w * (-0.04840445676646362 + w * (-0.27979913643618465 + w * (-0.09096126793000275
      + w * 0.11738859112018436)));
    const ratio = quotient * (0.7595542088865533 + w * (1.2502596146462122 + w * (1.6729099031656594 + w * (1.7641194560971878
      + w * (1.3643702149473782 + w * high)))));
    const head = Math.floor(t * 64.0) / 64.0;
    const gaussian = Math.exp(-0.5 * head * head) * Math.exp(-0.5 * (t - head) * (t + head));`;

/**
 * The function's value at a thread's element v. `nan` and `infinity` are arguments, because shading languages have no constants for them.
 */
export const unaryBodies: Record<UnaryOp, string> = {
  negate: "return -v;",
  absolute: "return Math.abs(v);",
  sign: "if (v > 0.0) { return 1.0; }\nif (v < 0.0) { return -1.0; }\nreturn v;",
  reciprocal: "return 1.0 / v;",
  // Drivers give arbitrary results for special numbers: exp(NaN) = ∞, log(−2) = log(2), log(0) = log(2⁻¹²⁷).
  exp: `if (${isNotANumber("v")}) { return v; }\nreturn Math.exp(v);`,
  log: `
    if (v < 0.0 || ${isNotANumber("v")}) { return nan; }
    if (v < ${smallestNormal}) {
      const scaled = v * 16777216.0;
      if (scaled == 0.0) { return -infinity; }
      return Math.log(scaled) - 16.635532333438686;
    }
    return Math.log(v);`,
  // Near 0, eᵛ − 1 would cancel. There, it is 2t/(1 − t) with t = tanh(v/2) = h·p/q by the rational function below.
  expm1: `
    if (${isNotANumber("v")}) { return v; }
    if (Math.abs(v) < 1.0) {
      const h = v * 0.5;
      const z = h * h;
      const p = 135135.0 + z * (17325.0 + z * (378.0 + z));
      const q = 135135.0 + z * (62370.0 + z * (3150.0 + z * 28.0));
      return v * p / (q - h * p);
    }
    return Math.exp(v) - 1.0;`,
  // Near 0 the accuracy of log(1 + v) is not guaranteed. There, it is 2·atanh(s) = 2·(s + s³/3 + s⁵/5 + …) with
  // s = v/(2 + v), |s| ≤ 1/3. Below 1e-8 it is v to the last bit, while s may be a subnormal number, which a device may take for 0.
  log1p: `
    if (v < -1.0 || ${isNotANumber("v")}) { return nan; }
    if (v == -1.0) { return -infinity; }
    if (v > -0.00000001 && v < 0.00000001) { return v; }
    if (v >= -0.5 && v <= 1.0) {
      const s = v / (2.0 + v);
      const z = s * s;
      const tail = 0.2 + z * (0.14285714285 + z * (0.11111111111 + z * (0.09090909091 + z * (0.07692307692 + z * 0.06666666667))));
      return 2.0 * s + 2.0 * s * z * (0.33333333333 + z * tail);
    }
    return Math.log(1.0 + v);`,
  sqrt: "return Math.sqrt(v);",
  reciprocalSqrt: "return 1.0 / Math.sqrt(v);",
  // Near 0, 1 − 2/(e²ˣ + 1) would cancel. There, the rational function equals seven levels of Lambert's continued fraction
  // x/(1 + x²/(3 + x²/(5 + …))).
  tanh: `
    const m = Math.abs(v);
    if (m < 0.55) {
      const z = v * v;
      return v * (135135.0 + z * (17325.0 + z * (378.0 + z))) / (135135.0 + z * (62370.0 + z * (3150.0 + z * 28.0)));
    }
    const t = m > 15.0 ? 1.0 : 1.0 - 2.0 / (Math.exp(2.0 * m) + 1.0);
    if (v < 0.0) { return -t; }
    if (v > 0.0) { return t; }
    return v;`,
  sigmoid: `
    if (v >= 0.0) { return 1.0 / (1.0 + Math.exp(-v)); }
    const e = Math.exp(v);
    return e / (1.0 + e);`,
  // Near 0 the series of backend/reference/special-functions.ts, further out its continued fraction, each with the terms that float32
  // needs.
  erf: `
    const m = Math.abs(v);
    if (m < 1.5) {
      let term = v;
      let total = v;
      for (let j = 1; j < 24; j++) {
        term = term * (2.0 * v * v) / (2.0 * j + 1.0);
        total = total + term;
      }
      return total * 1.1283791670955126 * Math.exp(-v * v);
    }
    if (m > 4.0) { return v > 0.0 ? 1.0 : -1.0; }
    let tail = m;
    for (let i = 0; i < 40; i++) { tail = m + (40.0 - i) * 0.5 / tail; }
    const t = 1.0 - Math.exp(-m * m) * 0.5641895835477563 / tail;
    return v > 0.0 ? t : -t;`,
  normalCdf: `
    if (${isNotANumber("v")}) { return v; }${normalTail("v")}
    if (v < 0.0) { return ratio * gaussian; }
    return 1.0 - ratio * gaussian;`,
  // Above 0, a difference v − v·Φ(−v) would be v where a device flushes the product, a subnormal number, to 0.
  gelu: `
    if (v == 0.0 || ${isNotANumber("v")}) { return v; }${normalTail("v")}
    if (v < 0.0) { return -(t * ratio * gaussian); }
    return v * (1.0 - ratio * gaussian);`,
  // The polynomial alone would lose the sign of −0.
  sin: `if (v == 0.0) { return v; }${circular("sin", "k")}`,
  cos: circular("cos", "(k + 1.0)"),
  // relu(NaN) is NaN, so that a diverging network is noticed. Compilers turn the comparison alone into max(v, 0), which is 0 for NaN, so
  // NaN is handled first.
  relu: `if (${isNotANumber("v")}) { return v; }\nif (v <= 0.0) { return 0.0; }\nreturn v;`,
  step: "if (v > 0.0) { return 1.0; }\nreturn 0.0;",
  floor: "return Math.floor(v);",
  not: "if (v == 0.0) { return 1.0; }\nreturn 0.0;",
};

const oneIf = (condition: string): string => `if (${condition}) { return 1.0; }\nreturn 0.0;`;

/** The function's value at a thread's elements u and v. */
export const binaryBodies: Record<BinaryOp, string> = {
  add: "return u + v;",
  subtract: "return u - v;",
  multiply: "return u * v;",
  divide: "return u / v;",
  // Shading languages define pow for positive bases only. Drivers compute it as 2^(v·log₂u), with log₂0 = −127.
  power: `
    if (v == 0.0 || u == 1.0) { return 1.0; }
    if (${isNotANumber("u")} || ${isNotANumber("v")}) { return nan; }
    let base = Math.abs(u);
    if (base == 1.0 && Math.abs(v) == infinity) { return 1.0; }
    const whole = v == Math.floor(v) ? 1.0 : 0.0;
    if (u < 0.0 && base < infinity && whole < 0.5) { return nan; }
    let scale = 1.0;
    if (base < ${smallestNormal}) {
      base = base * 16777216.0;
      scale = Math.pow(5.9604644775390625e-8, v);
    }
    let size = 0.0;
    if (base == 0.0) {
      if (v < 0.0) { size = infinity; }
    } else {
      if (base < infinity) { size = Math.pow(base, v) * scale; }
      if (base == infinity && v > 0.0) { size = infinity; }
    }
    if (whole > 0.5 && v * 0.5 != Math.floor(v * 0.5)) {
      if (u < 0.0) { return -size; }
      if (u == 0.0) { return v < 0.0 ? 1.0 / u : u; }
    }
    return size;`,
  // As for Math.max, the result is NaN if either operand is, and max(0, −0) is 0, which is also their sum.
  maximum: `if (u == 0.0 && v == 0.0) { return u + v; }\nif (u > v || ${isNotANumber("u")}) { return u; }\nreturn v;`,
  minimum: `if (u == 0.0 && v == 0.0) { return -(-u - v); }\nif (u < v || ${isNotANumber("u")}) { return u; }\nreturn v;`,
  equal: oneIf("u == v"),
  notEqual: `if (u == v) { return 0.0; }\nreturn 1.0;`,
  less: oneIf("u < v"),
  lessEqual: oneIf("u <= v"),
  greater: oneIf("u > v"),
  greaterEqual: oneIf("u >= v"),
  reluGradient: "if (u > 0.0) { return v; }\nreturn 0.0;",
  geluGradient: `
    if (${isNotANumber("u")}) { return u; }${normalTail("u")}
    const slope = t < 15.0 ? (ratio - t * 0.3989422804014327) * gaussian : 0.0;
    if (u < 0.0) { return slope * v; }
    return (1.0 - slope) * v;`,
};

/** The values of the arguments `nan` and `infinity`, and which of them a body uses. */
export const specials = { nan: Number.NaN, infinity: Number.POSITIVE_INFINITY };
export const specialsIn = (body: string): string[] => Object.keys(specials).filter((name) => new RegExp(`\\b${name}\\b`).test(body));
