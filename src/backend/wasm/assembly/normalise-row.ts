/** A row of one channel through its normalisation: y = activation(scale·(x − centre) + shift). */

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

/** Writes `count` floats to `y`. `coefficients` is the place of scale, shift and centre. */
@inline
export function normaliseRow(x: usize, y: usize, count: i32, coefficients: usize, activation: i32): void {
  const a = v128.load32_splat(coefficients), b = v128.load32_splat(coefficients, 4), c = v128.load32_splat(coefficients, 8);
  const last = x + ((<usize>(count & ~3)) << 2);
  if (WIDE) {
    for (const pairs = x + ((<usize>(count & ~7)) << 2); x < pairs; x += 32, y += 32) {
      const d0 = f32x4.sub(v128.load(x), c), d1 = f32x4.sub(v128.load(x, 16), c);
      const y0 = activate(multiplyAdd(d0, a, b), activation), y1 = activate(multiplyAdd(d1, a, b), activation);
      v128.store(y, y0);
      v128.store(y, y1, 16);
    }
  }
  for (; x < last; x += 16, y += 16) v128.store(y, activate(multiplyAdd(f32x4.sub(v128.load(x), c), a, b), activation));
  const rest = count & 3;
  if (rest > 0) storeLanes(y, activate(multiplyAdd(f32x4.sub(loadLanes(x, rest), c), a, b), activation), rest);
}
