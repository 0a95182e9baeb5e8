/**
 * x·Φ(x), the Gaussian error linear unit, and its slope Φ(x) + x·φ(x), on four lanes. Both follow from the tail Φ(−t) of t = |x|. Where
 * x < 0 the tail itself is wanted, so no digits are lost to 1 − Φ.
 */

import { multiplyAdd } from "./simd";
import { nearestExponent, reduced, scaled, expSeries, splat, withSign } from "./vector-math";

/** From here on Φ(−t) and t·φ(t) are 0 in float32. */
const END: f32 = 15;

/** y·e^(−t²/2). The square is that of a head of 12 bits, which is exact, and a rest: the exponential multiplies an error of t² by t²/2. */
@inline
function timesGaussian(y: v128, t: v128): v128 {
  const head = v128.and(t, i32x4.splat(0xfffff000));
  const square = f32x4.mul(f32x4.mul(head, head), splat(-0.5));
  const rest = f32x4.mul(f32x4.mul(f32x4.sub(t, head), splat(-0.5)), f32x4.add(t, head));
  const exponent = nearestExponent(square);
  return scaled(f32x4.mul(y, expSeries(f32x4.add(reduced(square, exponent), rest))), exponent);
}

/**
 * m(t) = Φ(−t)·e^(t²/2) for 0 ≤ t ≤ 15. (t + 4.25)·m(t) is a smooth function of ½ − t/(t + 4.25), here a polynomial of degree 9 whose
 * largest relative error is 3·10⁻⁹, the least possible (Remez 1934). The product t·(1/(t + 4.25)) keeps the digits of a small t.
 */
@inline
function tailFactor(t: v128): v128 {
  const inverse = f32x4.div(splat(1), f32x4.add(t, splat(4.25)));
  const v = multiplyAdd(f32x4.neg(t), inverse, splat(0.5));
  let p = splat(0.11738859112018436);
  p = multiplyAdd(p, v, splat(-0.09096126793000275));
  p = multiplyAdd(p, v, splat(-0.27979913643618465));
  p = multiplyAdd(p, v, splat(-0.04840445676646362));
  p = multiplyAdd(p, v, splat(0.6197991974318839));
  p = multiplyAdd(p, v, splat(1.3643702149473782));
  p = multiplyAdd(p, v, splat(1.7641194560971878));
  p = multiplyAdd(p, v, splat(1.6729099031656594));
  p = multiplyAdd(p, v, splat(1.2502596146462122));
  p = multiplyAdd(p, v, splat(0.7595542088865533));
  return f32x4.mul(p, inverse);
}

@inline
function sizeOf(x: v128): v128 {
  return f32x4.min(f32x4.abs(x), splat(END));
}

/** x·Φ(x) = max(x, 0) − t·Φ(−t), with the sign of x also where the result is 0. */
@inline
export function gelu(x: v128): v128 {
  const t = sizeOf(x);
  const lost = timesGaussian(f32x4.mul(t, tailFactor(t)), t);
  return withSign(f32x4.sub(f32x4.max(x, splat(0)), lost), x);
}

/** Φ(x) + x·φ(x) is Φ(−t) − t·φ(t) for x < 0, and 1 less that for the others. */
@inline
export function geluSlope(x: v128): v128 {
  const t = sizeOf(x);
  const slope = timesGaussian(multiplyAdd(t, splat(-0.3989422804014327), tailFactor(t)), t);
  return v128.bitselect(slope, f32x4.sub(splat(1), slope), f32x4.lt(x, splat(0)));
}
