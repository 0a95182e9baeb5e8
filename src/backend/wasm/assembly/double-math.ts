/**
 * eˣ and log x on two lanes of float64, and the way from four lanes of float32 to two halves in float64 and back. Functions that would lose
 * digits in float32 compute in float64, so that only the rounding to float32 shows. The series are cut where the rest is below 10⁻¹¹.
 */

/** a·b + c on two lanes, fused where the build allows it (simd.ts). */
@inline
export function multiplyAdd2(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f64x2.relaxed_madd(a, b, c);
  return f64x2.add(c, f64x2.mul(a, b));
}

/** Lanes 0 and 1 in float64. */
@inline
export function lowerHalf(x: v128): v128 {
  return f64x2.promote_low_f32x4(x);
}

/** Lanes 2 and 3 in float64. */
@inline
export function upperHalf(x: v128): v128 {
  return f64x2.promote_low_f32x4(v128.shuffle<f32>(x, x, 2, 3, 2, 3));
}

/** Both halves, rounded to float32. */
@inline
export function joinHalves(lower: v128, upper: v128): v128 {
  return v128.shuffle<f32>(f32x4.demote_f64x2_zero(lower), f32x4.demote_f64x2_zero(upper), 0, 1, 4, 5);
}

/** x in both lanes. */
@inline
export function d(x: f64): v128 {
  return f64x2.splat(x);
}

/** 1.5·2⁵². Adding it rounds to an integer and leaves the integer in the low bits. */
export const INTEGERS: f64 = 6755399441055744;

/** round(x/ln 2) as an integer in the low bits of each lane. */
@inline
function binaryExponent(x: v128): v128 {
  return multiplyAdd2(x, d(1.4426950408889634), d(INTEGERS));
}

/** x − n·ln 2. */
@inline
function reduced(x: v128, exponent: v128): v128 {
  return multiplyAdd2(f64x2.sub(exponent, d(INTEGERS)), d(-0.6931471805599453), x);
}

/** (eʳ − 1)/r for |r| ≤ ½ ln 2: the series Σ rᵏ/(k + 1)!. */
@inline
function expSeries(r: v128): v128 {
  let p = d(1.0 / 362880);
  p = multiplyAdd2(p, r, d(1.0 / 40320));
  p = multiplyAdd2(p, r, d(1.0 / 5040));
  p = multiplyAdd2(p, r, d(1.0 / 720));
  p = multiplyAdd2(p, r, d(1.0 / 120));
  p = multiplyAdd2(p, r, d(1.0 / 24));
  p = multiplyAdd2(p, r, d(1.0 / 6));
  p = multiplyAdd2(p, r, d(0.5));
  return multiplyAdd2(p, r, d(1));
}

/** p·2ⁿ for p near 1: n is added to the bits of the exponent. */
@inline
function scaled(p: v128, exponent: v128): v128 {
  return i64x2.add(p, i64x2.shl(exponent, 52));
}

/** eˣ for |x| ≤ 700. */
@inline
export function expLanes(x: v128): v128 {
  const n = binaryExponent(x);
  const r = reduced(x, n);
  return scaled(multiplyAdd2(expSeries(r), r, d(1)), n);
}

/** eˣ − 1 for |x| ≤ 700. With eˣ = 2ⁿ·(1 + q) it is 2ⁿ·q + (2ⁿ − 1), which is q where n = 0. */
@inline
export function expm1Lanes(x: v128): v128 {
  const n = binaryExponent(x);
  const r = reduced(x, n);
  const power = scaled(d(1), n);
  return multiplyAdd2(f64x2.mul(expSeries(r), r), power, f64x2.sub(power, d(1)));
}

/**
 * log x for normal x > 0. With x = 2ᵉ·m, m in [√½, √2), and s = (m − 1)/(m + 1), it is e·ln 2 + 2s·(1 + s²/3 + s⁴/5 + …). So log 1 is 0,
 * and the result keeps its digits where x is near 1.
 */
@inline
export function logLanes(x: v128): v128 {
  // The bits of √½ are subtracted first, so that the exponent of the difference is e.
  const shifted = i64x2.sub(x, i64x2.splat(0x3fe6a09e667f3bcd));
  const exponent = v128.and(shifted, i64x2.splat(0xfff0000000000000));
  const m = i64x2.sub(x, exponent);
  // e·2²⁰ stands in the upper word of each lane.
  const e = f64x2.convert_low_i32x4_s(i32x4.shr_s(v128.shuffle<i32>(exponent, exponent, 1, 3, 1, 3), 20));
  const f = f64x2.sub(m, d(1));
  const s = f64x2.div(f, f64x2.add(m, d(1)));
  const square = f64x2.mul(s, s);
  let p = d(2.0 / 13);
  p = multiplyAdd2(p, square, d(2.0 / 11));
  p = multiplyAdd2(p, square, d(2.0 / 9));
  p = multiplyAdd2(p, square, d(2.0 / 7));
  p = multiplyAdd2(p, square, d(2.0 / 5));
  p = multiplyAdd2(p, square, d(2.0 / 3));
  p = multiplyAdd2(p, square, d(2));
  return multiplyAdd2(e, d(0.6931471805599453), f64x2.mul(s, p));
}
