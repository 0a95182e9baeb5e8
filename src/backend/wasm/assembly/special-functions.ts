/**
 * erf, the normal distribution function, eˣ − 1, log(1 + x) and powers on four lanes of float32, computed in float64 (double-math.ts). NaN
 * stays NaN, and the sign of a zero stays where the function is odd.
 */

import { d, expLanes, expm1Lanes, joinHalves, logLanes, lowerHalf, multiplyAdd2, upperHalf } from "./double-math";
import { withSign } from "./vector-math";

@inline
function limited(x: v128, low: f64, high: f64): v128 {
  return f64x2.min(f64x2.max(x, d(low)), d(high));
}

/** NaN where x is NaN, else y. */
@inline
function keepNaN(y: v128, x: v128): v128 {
  return v128.or(y, f32x4.ne(x, x));
}

/**
 * erfc z for 0 ≤ z ≤ 10.7, to a relative error of 2·10⁻¹⁰. (1 + 2z)·e^(z²)·erfc z is a smooth function of k = (z − 3.75)/(z + 3.75)
 * (M. M. Shepherd and J. G. Laframboise, Math. Comp. 36, 1981), here a polynomial of degree 12 that interpolates it at Chebyshev points.
 * `square` is z².
 */
@inline
function erfc(z: v128, square: v128): v128 {
  const sum = f64x2.add(z, d(3.75)), factor = multiplyAdd2(d(2), z, d(1));
  // One division gives both quotients.
  const inverse = f64x2.div(d(1), f64x2.mul(sum, factor));
  const k = f64x2.mul(f64x2.mul(f64x2.sub(z, d(3.75)), factor), inverse);
  let p = d(-6.613831640697031e-5);
  p = multiplyAdd2(p, k, d(-4.160216721699055e-4));
  p = multiplyAdd2(p, k, d(2.967441920992351e-4));
  p = multiplyAdd2(p, k, d(1.8307364259503647e-3));
  p = multiplyAdd2(p, k, d(-9.720484114084521e-3));
  p = multiplyAdd2(p, k, d(2.8347596453812622e-2));
  p = multiplyAdd2(p, k, d(-5.870115035534721e-2));
  p = multiplyAdd2(p, k, d(9.23054458355205e-2));
  p = multiplyAdd2(p, k, d(-0.10880312235785013));
  p = multiplyAdd2(p, k, d(8.227670798262371e-2));
  p = multiplyAdd2(p, k, d(3.5853867437169245e-3));
  p = multiplyAdd2(p, k, d(-0.1402405983341219));
  p = multiplyAdd2(p, k, d(1.2375126310008078));
  return f64x2.mul(f64x2.mul(p, f64x2.mul(sum, inverse)), expLanes(f64x2.neg(square)));
}

/** |erf x|: its Maclaurin series where |x| < ¼, because 1 − erfc x would cancel there. */
@inline
function erfHalf(x: v128): v128 {
  const size = f64x2.min(f64x2.abs(x), d(6)); // 1 − erf 6 is below 2⁻⁵³
  const square = f64x2.mul(size, size);
  const large = f64x2.sub(d(1), erfc(size, square));
  let p = d(-1.0 / 1320);
  p = multiplyAdd2(p, square, d(1.0 / 216));
  p = multiplyAdd2(p, square, d(-1.0 / 42));
  p = multiplyAdd2(p, square, d(0.1));
  p = multiplyAdd2(p, square, d(-1.0 / 3));
  p = multiplyAdd2(p, square, d(1));
  const small = f64x2.mul(f64x2.mul(size, d(1.1283791670955126)), p);
  return v128.bitselect(small, large, f64x2.lt(size, d(0.25)));
}

export function erf(x: v128): v128 {
  return keepNaN(withSign(joinHalves(erfHalf(lowerHalf(x)), erfHalf(upperHalf(x))), x), x);
}

/** Φ(x) is ½·erfc(−x/√2) for x < 0, and 1 − Φ(−x) for the others. */
@inline
function normalCdfHalf(x: v128): v128 {
  const size = f64x2.min(f64x2.abs(x), d(15)); // Φ(−15) is below the smallest number of float32
  const tail = f64x2.mul(d(0.5), erfc(f64x2.mul(size, d(0.7071067811865476)), f64x2.mul(f64x2.mul(size, size), d(0.5))));
  return v128.bitselect(tail, f64x2.sub(d(1), tail), f64x2.lt(x, d(0)));
}

export function normalCdf(x: v128): v128 {
  return keepNaN(joinHalves(normalCdfHalf(lowerHalf(x)), normalCdfHalf(upperHalf(x))), x);
}

@inline
function expm1Half(x: v128): v128 {
  return expm1Lanes(limited(x, -40, 90));
}

/** eˣ − 1 has the sign of x, also where x is −0. */
export function expm1(x: v128): v128 {
  return keepNaN(withSign(joinHalves(expm1Half(lowerHalf(x)), expm1Half(upperHalf(x))), x), x);
}

/** log(1 + x). The rounding of 1 + x to float64 does not show in float32, unless |x| is so small that `log1p` returns x. */
@inline
function log1pHalf(x: v128): v128 {
  return logLanes(f64x2.add(x, d(1)));
}

/** log(1 + x) is x to the last digit where |x| < 2⁻²⁶. It is −∞ at −1, and NaN below. */
export function log1p(x: v128): v128 {
  let y = joinHalves(log1pHalf(lowerHalf(x)), log1pHalf(upperHalf(x)));
  y = v128.bitselect(x, y, f32x4.lt(f32x4.abs(x), f32x4.splat(1.4901161193847656e-8)));
  y = v128.bitselect(f32x4.splat(-Infinity), y, f32x4.eq(x, f32x4.splat(-1)));
  y = v128.bitselect(x, y, f32x4.eq(x, f32x4.splat(Infinity)));
  return keepNaN(v128.or(y, f32x4.lt(x, f32x4.splat(-1))), x);
}

/** |a|ᵇ = e^(b·log |a|). The limits of the exponent lie beyond the largest and the smallest number of float32. */
@inline
function powerHalf(a: v128, b: v128): v128 {
  const logarithm = v128.bitselect(d(-Infinity), logLanes(a), f64x2.eq(a, d(0)));
  const finite = v128.bitselect(d(Infinity), logarithm, f64x2.eq(a, d(Infinity)));
  return expLanes(limited(f64x2.mul(b, finite), -110, 90));
}

/**
 * aᵇ by IEEE 754. For a < 0 it is ±|a|ᵇ where b is an integer, with − where b is odd, and NaN elsewhere. a⁰ and 1ᵇ are 1, also for NaN,
 * and so is (−1)^±∞. An infinite b counts as even.
 */
export function power(a: v128, b: v128): v128 {
  const one = f32x4.splat(1), infinity = f32x4.splat(Infinity);
  const size = f32x4.abs(a);
  let y = joinHalves(powerHalf(lowerHalf(size), lowerHalf(b)), powerHalf(upperHalf(size), upperHalf(b)));
  const half = f32x4.mul(b, f32x4.splat(0.5));
  const integer = f32x4.eq(f32x4.floor(b), b);
  const odd = v128.andnot(integer, f32x4.eq(f32x4.floor(half), half));
  y = v128.or(y, v128.and(v128.and(a, odd), i32x4.splat(0x80000000)));
  const undefined_ = v128.andnot(v128.and(f32x4.lt(a, f32x4.splat(0)), f32x4.ne(size, infinity)), integer);
  y = keepNaN(keepNaN(v128.or(y, undefined_), a), b);
  const unit = v128.and(f32x4.eq(size, one), f32x4.eq(f32x4.abs(b), infinity));
  return v128.bitselect(one, y, v128.or(unit, v128.or(f32x4.eq(a, one), f32x4.eq(b, f32x4.splat(0)))));
}
