/**
 * The transforms of Winograd's F(2×2, 3×3) and F(3×3, 2×2) back to pixels and to taps (docs/derivations/winograd.md). The other transforms
 * are written for the vectors of a build (winogradTile in tiles.mjs). A vector holds the same place of four neighbouring windows of a row: a
 * quad. The 16 places of a transformed quad lie `step` bytes apart.
 */

import { multiplyAdd, storeLanes, zero } from "./simd";

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

/** 2 × 8·run outputs of one channel, from the even and odd columns that `outputsOfRun` (tiles.mjs) has written. */
export function writeRun(from: usize, run: i32, to: usize, rowBytes: usize, pair: bool, count: i32, finite: v128): v128 {
  const columns = (<usize>run) << 4;
  for (let v = 0; v < run; v++, from += 16, to += 32, count -= 8) {
    finite = writeRow(to, v128.load(from), v128.load(from + columns), count, finite);
    if (pair) finite = writeRow(to + rowBytes, v128.load(from + columns * 2), v128.load(from + columns * 3), count, finite);
  }
  return finite;
}

/** A row of outputs whose even columns are `a` and whose odd columns are `b`. */
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
