/**
 * The transforms of Winograd's F(2×2, 3×3) and F(3×3, 2×2) (docs/derivations/winograd.md). A vector holds the same place of four
 * neighbouring windows of a row: a quad. The 16 places of a transformed quad lie `step` bytes apart.
 */

import { multiplyAdd, storeLanes, zero } from "./simd";

@inline
function even(a: v128, b: v128): v128 {
  return v128.shuffle<f32>(a, b, 0, 2, 4, 6);
}
@inline
function odd(a: v128, b: v128): v128 {
  return v128.shuffle<f32>(a, b, 1, 3, 5, 7);
}

/** The four windows from `at` on: one vector to each of the 16 places. */
export function transformInput(at: usize, rowBytes: usize, to: usize, step: usize): void {
  let a = v128.load(at), b = v128.load(at, 16), c = v128.load(at, 8), d = v128.load(at, 24);
  let e0 = even(a, b), o0 = odd(a, b), e1 = even(c, d), o1 = odd(c, d);
  const r00 = f32x4.sub(e0, e1), r01 = f32x4.add(o0, e1), r02 = f32x4.sub(e1, o0), r03 = f32x4.sub(o0, o1);
  at += rowBytes;
  a = v128.load(at); b = v128.load(at, 16); c = v128.load(at, 8); d = v128.load(at, 24);
  e0 = even(a, b); o0 = odd(a, b); e1 = even(c, d); o1 = odd(c, d);
  const r10 = f32x4.sub(e0, e1), r11 = f32x4.add(o0, e1), r12 = f32x4.sub(e1, o0), r13 = f32x4.sub(o0, o1);
  at += rowBytes;
  a = v128.load(at); b = v128.load(at, 16); c = v128.load(at, 8); d = v128.load(at, 24);
  e0 = even(a, b); o0 = odd(a, b); e1 = even(c, d); o1 = odd(c, d);
  const r20 = f32x4.sub(e0, e1), r21 = f32x4.add(o0, e1), r22 = f32x4.sub(e1, o0), r23 = f32x4.sub(o0, o1);
  at += rowBytes;
  v128.store(to, f32x4.sub(r00, r20)); to += step;
  v128.store(to, f32x4.sub(r01, r21)); to += step;
  v128.store(to, f32x4.sub(r02, r22)); to += step;
  v128.store(to, f32x4.sub(r03, r23)); to += step;
  v128.store(to, f32x4.add(r10, r20)); to += step;
  v128.store(to, f32x4.add(r11, r21)); to += step;
  v128.store(to, f32x4.add(r12, r22)); to += step;
  v128.store(to, f32x4.add(r13, r23)); to += step;
  v128.store(to, f32x4.sub(r20, r10)); to += step;
  v128.store(to, f32x4.sub(r21, r11)); to += step;
  v128.store(to, f32x4.sub(r22, r12)); to += step;
  v128.store(to, f32x4.sub(r23, r13)); to += step;
  a = v128.load(at); b = v128.load(at, 16); c = v128.load(at, 8); d = v128.load(at, 24);
  e0 = even(a, b); o0 = odd(a, b); e1 = even(c, d); o1 = odd(c, d);
  v128.store(to, f32x4.sub(r10, f32x4.sub(e0, e1))); to += step;
  v128.store(to, f32x4.sub(r11, f32x4.add(o0, e1))); to += step;
  v128.store(to, f32x4.sub(r12, f32x4.sub(e1, o0))); to += step;
  v128.store(to, f32x4.sub(r13, f32x4.sub(o0, o1)));
}

/**
 * 2×8 outputs of one channel from the products at the 16 places. Of these outputs, the second row exists if `pair` is set, and `count`
 * columns exist. Returns `finite` plus 0 times the outputs, in which a NaN lane tells of an output that is NaN or infinite.
 */
export function transformOutput(m: usize, step: usize, to: usize, rowBytes: usize, pair: bool, count: i32, finite: v128): v128 {
  let a = v128.load(m), b = v128.load(m + step), c = v128.load(m + step * 2), d = v128.load(m + step * 3);
  m += step << 2;
  const r00 = f32x4.add(f32x4.add(a, b), c), r01 = f32x4.sub(f32x4.sub(b, c), d);
  a = v128.load(m); b = v128.load(m + step); c = v128.load(m + step * 2); d = v128.load(m + step * 3);
  m += step << 2;
  const r10 = f32x4.add(f32x4.add(a, b), c), r11 = f32x4.sub(f32x4.sub(b, c), d);
  a = v128.load(m); b = v128.load(m + step); c = v128.load(m + step * 2); d = v128.load(m + step * 3);
  m += step << 2;
  const r20 = f32x4.add(f32x4.add(a, b), c), r21 = f32x4.sub(f32x4.sub(b, c), d);
  a = v128.load(m); b = v128.load(m + step); c = v128.load(m + step * 2); d = v128.load(m + step * 3);
  const r30 = f32x4.add(f32x4.add(a, b), c), r31 = f32x4.sub(f32x4.sub(b, c), d);
  finite = writeRow(to, f32x4.add(f32x4.add(r00, r10), r20), f32x4.add(f32x4.add(r01, r11), r21), count, finite);
  if (pair) finite = writeRow(to + rowBytes, f32x4.sub(f32x4.sub(r10, r20), r30), f32x4.sub(f32x4.sub(r11, r21), r31), count, finite);
  return finite;
}

@inline
function writeRow(to: usize, a: v128, b: v128, count: i32, finite: v128): v128 {
  const low = v128.shuffle<f32>(a, b, 0, 4, 1, 5), high = v128.shuffle<f32>(a, b, 2, 6, 3, 7);
  if (count >= 8) {
    v128.store(to, low);
    v128.store(to, high, 16);
  } else {
    storeLanes(to, low, count);
    storeLanes(to + 16, high, count - 4);
  }
  return multiplyAdd(b, zero(), multiplyAdd(a, zero(), finite));
}

/** The 2×2 cotangents of four windows from `at` on, as weights: G·g·Gᵀ. */
export function transformCotangent(at: usize, rowBytes: usize, to: usize, step: usize): void {
  const half = f32x4.splat(0.5);
  const a = v128.load(at), b = v128.load(at, 16);
  at += rowBytes;
  const c = v128.load(at), d = v128.load(at, 16);
  const e0 = even(a, b), o0 = odd(a, b), e1 = even(c, d), o1 = odd(c, d);
  to = fourPlaces(e0, o0, to, step);
  to = fourPlaces(f32x4.mul(half, f32x4.add(e0, e1)), f32x4.mul(half, f32x4.add(o0, o1)), to, step);
  to = fourPlaces(f32x4.mul(half, f32x4.sub(e0, e1)), f32x4.mul(half, f32x4.sub(o0, o1)), to, step);
  fourPlaces(e1, o1, to, step);
}

@inline
function fourPlaces(a: v128, b: v128, to: usize, step: usize): usize {
  const half = f32x4.splat(0.5);
  v128.store(to, a);
  v128.store(to + step, f32x4.mul(half, f32x4.add(a, b)));
  v128.store(to + step * 2, f32x4.mul(half, f32x4.sub(a, b)));
  v128.store(to + step * 3, b);
  return to + (step << 2);
}

/** The nine taps of four channels, of which `count` exist, from the products at the 16 places. `finite` is as in transformOutput. */
export function transformGradient(m: usize, step: usize, to: usize, count: i32, finite: v128): v128 {
  for (let x: usize = 0; x < 3; x++) {
    // One column of Aᵀ·(M·A): the four rows of M·A at column x, then the three rows of Aᵀ.
    const r0 = gradientColumn(m, step, x);
    const r1 = gradientColumn(m + step * 4, step, x);
    const r2 = gradientColumn(m + step * 8, step, x);
    const r3 = gradientColumn(m + step * 12, step, x);
    const sum = f32x4.add(r1, r2);
    const y0 = f32x4.add(r0, sum), y1 = f32x4.sub(r1, r2), y2 = f32x4.sub(sum, r3);
    scatter(to + (x << 2), y0, count);
    scatter(to + (x << 2) + 12, y1, count);
    scatter(to + (x << 2) + 24, y2, count);
    finite = multiplyAdd(y0, zero(), multiplyAdd(y1, zero(), multiplyAdd(y2, zero(), finite)));
  }
  return finite;
}

@inline
function gradientColumn(m: usize, step: usize, x: usize): v128 {
  const b = v128.load(m + step), c = v128.load(m + step * 2);
  if (x == 0) return f32x4.add(v128.load(m), f32x4.add(b, c));
  if (x == 1) return f32x4.sub(b, c);
  return f32x4.sub(f32x4.add(b, c), v128.load(m + step * 3));
}

/** One tap of up to four channels, whose kernels lie nine floats apart. */
@inline
function scatter(to: usize, v: v128, count: i32): void {
  v128.store_lane<f32>(to, v, 0);
  if (count > 1) v128.store_lane<f32>(to, v, 1, 36);
  if (count > 2) v128.store_lane<f32>(to, v, 2, 72);
  if (count > 3) v128.store_lane<f32>(to, v, 3, 108);
}
