/** The vector operations that all kernels use. A vector is four float32 lanes, which is what WebAssembly offers on every machine. */

/**
 * a·b + c. The relaxed build lets the machine fuse the two operations: one rounding and one instruction, so twice the arithmetic per cycle.
 * The baseline build rounds twice. The choice of the module fixes which of the two runs, so results repeat.
 */
@inline
export function multiplyAdd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(c, f32x4.mul(a, b));
}

/** Whether each value replaces the best one before it as the maximum: it is greater, or it is the first NaN. */
@inline
export function improves(value: v128, best: v128): v128 {
  return v128.or(f32x4.gt(value, best), v128.and(f32x4.ne(value, value), f32x4.eq(best, best)));
}

/** Lane sum, in the fixed order (0 + 2) + (1 + 3). */
@inline
export function laneSum(v: v128): f32 {
  const pairs = f32x4.add(v, v128.shuffle<f32>(v, v, 2, 3, 0, 1));
  return f32x4.extract_lane(pairs, 0) + f32x4.extract_lane(pairs, 1);
}

/**
 * Copies two or four vectors. The loads of a pair stand before its stores: the engine joins no loads that have a store between
 * them.
 */
@inline
export function copyVectors(from: usize, to: usize, vectors: i32): void {
  const a = v128.load(from), b = v128.load(from, 16);
  v128.store(to, a);
  v128.store(to, b, 16);
  if (vectors == 2) return;
  const c = v128.load(from, 32), d = v128.load(from, 48);
  v128.store(to, c, 32);
  v128.store(to, d, 48);
}

@inline
export function zero(): v128 {
  return f32x4.splat(0);
}

/** Writes the first `count` lanes: where a row ends inside a vector. */
@inline
export function storeLanes(pointer: usize, v: v128, count: i32): void {
  if (count >= 4) {
    v128.store(pointer, v);
    return;
  }
  if (count > 0) v128.store_lane<f32>(pointer, v, 0);
  if (count > 1) v128.store_lane<f32>(pointer, v, 1, 4);
  if (count > 2) v128.store_lane<f32>(pointer, v, 2, 8);
}

/** Reads `count` ≤ 4 floats without touching what lies behind them; the other lanes are 0. */
@inline
export function loadLanes(pointer: usize, count: i32): v128 {
  if (count >= 4) return v128.load(pointer);
  let v = zero();
  if (count > 0) v = v128.load_lane<f32>(pointer, v, 0);
  if (count > 1) v = v128.load_lane<f32>(pointer, v, 1, 4);
  if (count > 2) v = v128.load_lane<f32>(pointer, v, 2, 8);
  return v;
}
