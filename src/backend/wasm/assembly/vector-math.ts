/**
 * exp, log, tanh and the logistic function on four lanes. Each reduces its argument to a short interval, evaluates a polynomial there
 * (coefficients from S. Moshier's Cephes, single precision: netlib.org/cephes) and scales back. Errors stay within a few units in
 * the last place; zeros, infinities and NaN come out as they should.
 */

import { multiplyAdd } from "./simd";

@inline
export function splat(x: f32): v128 {
  return f32x4.splat(x);
}

/** 2ⁿ for integer lanes in [−126, 127]: the exponent bits written directly. */
@inline
function powerOfTwo(n: v128): v128 {
  return i32x4.shl(i32x4.add(n, i32x4.splat(127)), 23);
}

/** 1.5·2²³. Adding it rounds to an integer, to even where two are as near, and leaves the integer in the low bits. */
const INTEGERS: f32 = 12582912;

/** n = round(x/ln 2) as an integer in the low bits of each lane. */
@inline
export function nearestExponent(x: v128): v128 {
  return f32x4.add(f32x4.mul(x, splat(1.44269504088896341)), splat(INTEGERS));
}

/** x − n·ln 2. ln 2 is subtracted in two parts, the first short enough that n times it is exact. */
@inline
export function reduced(x: v128, exponent: v128): v128 {
  const n = f32x4.sub(exponent, splat(INTEGERS));
  const r = f32x4.sub(x, f32x4.mul(n, splat(0.693359375)));
  return f32x4.sub(r, f32x4.mul(n, splat(-2.12194440e-4)));
}

/** eʳ for |r| ≤ ½ ln 2. */
@inline
export function expSeries(r: v128): v128 {
  let p = splat(1.9875691500e-4);
  p = multiplyAdd(p, r, splat(1.3981999507e-3));
  p = multiplyAdd(p, r, splat(8.3334519073e-3));
  p = multiplyAdd(p, r, splat(4.1665795894e-2));
  p = multiplyAdd(p, r, splat(1.6666665459e-1));
  p = multiplyAdd(p, r, splat(5.0000001201e-1));
  return f32x4.add(multiplyAdd(p, f32x4.mul(r, r), r), splat(1));
}

/** y·2ⁿ, in two halves, so that results below 2⁻¹²⁶ (denormal) and at the top of the range need no case of their own. */
@inline
export function scaled(y: v128, exponent: v128): v128 {
  const whole = i32x4.sub(exponent, i32x4.splat(0x4b400000));
  const half = i32x4.shr_s(whole, 1);
  return f32x4.mul(f32x4.mul(y, powerOfTwo(half)), powerOfTwo(i32x4.sub(whole, half)));
}

/** eˣ = 2ⁿ·eʳ with n = round(x/ln 2), |r| ≤ ½ ln 2. */
@inline
export function exp(x: v128): v128 {
  const bounded = f32x4.min(f32x4.max(x, splat(-104)), splat(89));
  const exponent = nearestExponent(bounded);
  return scaled(expSeries(reduced(bounded, exponent)), exponent);
}

/** log x = e·ln 2 + log m with m in [√½, √2): log(1 + f) by a polynomial in f. Denormals are scaled up first. */
@inline
export function log(x: v128): v128 {
  const small = f32x4.lt(x, splat(1.17549435e-38));
  const scaled = v128.bitselect(f32x4.mul(x, splat(8388608)), x, small);
  let exponent = i32x4.sub(i32x4.shr_s(scaled, 23), i32x4.splat(126));
  exponent = i32x4.sub(exponent, v128.and(small, i32x4.splat(23)));
  let m = v128.or(v128.and(scaled, i32x4.splat(0x007fffff)), i32x4.splat(0x3f000000)); // [½, 1)
  const low = f32x4.lt(m, splat(0.707106781186547524));
  exponent = i32x4.add(exponent, low); // a true lane is −1
  m = f32x4.add(f32x4.sub(m, splat(1)), v128.and(m, low)); // f = m − 1, or 2m − 1
  const e = f32x4.convert_i32x4_s(exponent);
  const square = f32x4.mul(m, m);
  let p = splat(7.0376836292e-2);
  p = multiplyAdd(p, m, splat(-1.1514610310e-1));
  p = multiplyAdd(p, m, splat(1.1676998740e-1));
  p = multiplyAdd(p, m, splat(-1.2420140846e-1));
  p = multiplyAdd(p, m, splat(1.4249322787e-1));
  p = multiplyAdd(p, m, splat(-1.6668057665e-1));
  p = multiplyAdd(p, m, splat(2.0000714765e-1));
  p = multiplyAdd(p, m, splat(-2.4999993993e-1));
  p = multiplyAdd(p, m, splat(3.3333331174e-1));
  let y = f32x4.mul(f32x4.mul(m, square), p);
  y = multiplyAdd(e, splat(-2.12194440e-4), y);
  y = multiplyAdd(square, splat(-0.5), y);
  y = multiplyAdd(e, splat(0.693359375), f32x4.add(m, y));
  // The exceptions: log 0 = −∞, log of a negative is NaN; ∞ and NaN are themselves.
  y = v128.bitselect(splat(-Infinity), y, f32x4.eq(x, splat(0)));
  y = v128.bitselect(splat(NaN), y, f32x4.lt(x, splat(0)));
  return v128.bitselect(y, x, f32x4.lt(x, splat(Infinity)));
}

/** 1/(1 + e⁻ˣ), from e^(−|x|) ≤ 1 so that neither side loses digits or overflows. */
@inline
export function sigmoid(x: v128): v128 {
  const e = exp(f32x4.neg(f32x4.abs(x)));
  const numerator = v128.bitselect(e, splat(1), f32x4.lt(x, splat(0)));
  return f32x4.div(numerator, f32x4.add(splat(1), e));
}

/** The absolute value of y with the sign of x. */
@inline
export function withSign(y: v128, x: v128): v128 {
  return v128.bitselect(x, y, i32x4.splat(0x80000000));
}

/** tanh x: an odd polynomial below 0.625, where 1 − 2/(e^(2|x|) + 1) would cancel. */
@inline
export function tanh(x: v128): v128 {
  const size = f32x4.abs(x);
  const large = f32x4.sub(splat(1), f32x4.div(splat(2), f32x4.add(exp(f32x4.add(size, size)), splat(1))));
  const square = f32x4.mul(x, x);
  let p = splat(-5.70498872745e-3);
  p = multiplyAdd(p, square, splat(2.06390887954e-2));
  p = multiplyAdd(p, square, splat(-5.37397155531e-2));
  p = multiplyAdd(p, square, splat(1.33314422036e-1));
  p = multiplyAdd(p, square, splat(-3.33332819422e-1));
  const small = multiplyAdd(f32x4.mul(p, square), x, x);
  return withSign(v128.bitselect(small, large, f32x4.lt(size, splat(0.625))), x);
}
