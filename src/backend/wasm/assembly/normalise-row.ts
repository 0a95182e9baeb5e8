/** A row of one channel through its normalisation: y = activation(scale·(x − centre) + shift + addend). */

import { loadLanes, multiplyAdd, storeLanes, zero } from "./simd";

/** The activations, by the numbers that the host knows them by. */
export const NONE = 0;
export const RELU = 1;
export const RELU6 = 2;

@inline
export function activate(v: v128, activation: i32): v128 {
  if (activation == RELU) return f32x4.max(v, zero());
  if (activation == RELU6) return f32x4.min(f32x4.max(v, zero()), f32x4.splat(6));
  return v;
}

/**
 * Writes `count` floats to `y`. `coefficients` is the place of scale, shift and centre. The function is inlined with constants for the
 * activation and `adds`.
 */
@inline
export function normaliseRow(x: usize, y: usize, addend: usize, count: i32, coefficients: usize, activation: i32, adds: bool): void {
  const a = v128.load32_splat(coefficients), b = v128.load32_splat(coefficients, 4), c = v128.load32_splat(coefficients, 8);
  const last = x + ((<usize>(count & ~3)) << 2);
  if (WIDE) {
    for (const pairs = x + ((<usize>(count & ~7)) << 2); x < pairs; x += 32, y += 32, addend += 32) {
      let low = multiplyAdd(f32x4.sub(v128.load(x), c), a, b), high = multiplyAdd(f32x4.sub(v128.load(x, 16), c), a, b);
      if (adds) {
        low = f32x4.add(low, v128.load(addend));
        high = f32x4.add(high, v128.load(addend, 16));
      }
      low = activate(low, activation);
      high = activate(high, activation);
      v128.store(y, low);
      v128.store(y, high, 16);
    }
  }
  for (; x < last; x += 16, y += 16, addend += 16) {
    let v = multiplyAdd(f32x4.sub(v128.load(x), c), a, b);
    if (adds) v = f32x4.add(v, v128.load(addend));
    v128.store(y, activate(v, activation));
  }
  const rest = count & 3;
  if (rest > 0) {
    let v = multiplyAdd(f32x4.sub(loadLanes(x, rest), c), a, b);
    if (adds) v = f32x4.add(v, loadLanes(addend, rest));
    storeLanes(y, activate(v, activation), rest);
  }
}
