/**
 * sin and cos on four lanes of float32, computed in float64 (double-math.ts). Up to 2²⁰, a multiple n of π/2 is subtracted in two parts.
 * The first part of π/2 has 33 bits, so that n times this part is exact. Larger arguments are rare. They go to the standard library, which
 * reduces them with as many bits of π as they need.
 */

import { INTEGERS, d, joinHalves, lowerHalf, multiplyAdd2, upperHalf } from "./double-math";

/** The largest argument that is reduced here: 2²⁰. */
const LARGEST: f32 = 1048576;

/**
 * sin(x + `quarters`·π/2). With x = n·π/2 + r, |r| ≤ π/4, it is ±sin r where n + `quarters` is even and ±cos r where it is odd. The
 * polynomials are those of FreeBSD's k_sinf.c and k_cosf.c, with errors below 2⁻³⁴.
 */
@inline
function sineHalf(x: v128, quarters: i64): v128 {
  const shifted = f64x2.add(f64x2.mul(x, d(0.6366197723675814)), d(INTEGERS));
  const n = f64x2.sub(shifted, d(INTEGERS));
  let r = f64x2.sub(x, f64x2.mul(n, d(1.5707963267341256)));
  r = f64x2.sub(r, f64x2.mul(n, d(6.077100506506192e-11)));
  const square = f64x2.mul(r, r);
  let sine = d(0.0000027183114939898219064);
  sine = multiplyAdd2(sine, square, d(-0.000198393348360966317347));
  sine = multiplyAdd2(sine, square, d(0.0083333293858894631756));
  sine = multiplyAdd2(sine, square, d(-0.166666666416265235595));
  sine = multiplyAdd2(f64x2.mul(sine, square), r, r);
  let cosine = d(0.0000243904487962774090654);
  cosine = multiplyAdd2(cosine, square, d(-0.00138867637746099294692));
  cosine = multiplyAdd2(cosine, square, d(0.0416666233237390631894));
  cosine = multiplyAdd2(cosine, square, d(-0.499999997251031003120));
  cosine = multiplyAdd2(cosine, square, d(1));
  const quarter = i64x2.add(shifted, i64x2.splat(quarters));
  const odd = i64x2.neg(v128.and(quarter, i64x2.splat(1)));
  const sign = i64x2.shl(v128.and(quarter, i64x2.splat(2)), 62);
  return v128.xor(v128.bitselect(cosine, sine, odd), sign);
}

@inline
function farLane(x: f32, y: f32, quarters: i64): f32 {
  if (!(abs(x) > LARGEST)) return y;
  return <f32>(quarters == 0 ? Math.sin(x) : Math.cos(x));
}

/** y, with the lanes where x is too large computed anew. */
function farLanes(x: v128, y: v128, quarters: i64): v128 {
  y = f32x4.replace_lane(y, 0, farLane(f32x4.extract_lane(x, 0), f32x4.extract_lane(y, 0), quarters));
  y = f32x4.replace_lane(y, 1, farLane(f32x4.extract_lane(x, 1), f32x4.extract_lane(y, 1), quarters));
  y = f32x4.replace_lane(y, 2, farLane(f32x4.extract_lane(x, 2), f32x4.extract_lane(y, 2), quarters));
  return f32x4.replace_lane(y, 3, farLane(f32x4.extract_lane(x, 3), f32x4.extract_lane(y, 3), quarters));
}

@inline
function wave(x: v128, quarters: i64): v128 {
  const y = joinHalves(sineHalf(lowerHalf(x), quarters), sineHalf(upperHalf(x), quarters));
  const far = v128.any_true(f32x4.gt(f32x4.abs(x), f32x4.splat(LARGEST)));
  return v128.or(far ? farLanes(x, y, quarters) : y, f32x4.ne(x, x));
}

/** sin(−0) is −0. */
export function sin(x: v128): v128 {
  return v128.bitselect(x, wave(x, 0), f32x4.eq(x, f32x4.splat(0)));
}

export function cos(x: v128): v128 {
  return wave(x, 1);
}
