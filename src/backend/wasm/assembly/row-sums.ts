/**
 * Sums over a contiguous row, accurate enough for statistics of millions of values: float32 vectors within blocks of 1024 elements (64
 * additions to a lane), float64 from block to block. Two results come back through globals, one instance of the module being one thread.
 */

import { RELU, RELU6, activate, normaliseRow } from "./normalise-row";
import { loadLanes, multiplyAdd, zero } from "./simd";
import { thread } from "./team";

const BLOCK: usize = 4096; // bytes

@inline
export function wideLaneSum(v: v128): f64 {
  return (<f64>f32x4.extract_lane(v, 0) + <f64>f32x4.extract_lane(v, 1)) + (<f64>f32x4.extract_lane(v, 2) + <f64>f32x4.extract_lane(v, 3));
}

/** Where each of the at most 64 threads puts its sums of a block. */
const blockSums: usize = memory.data(64 * 64, 64);

/** The sum of all lanes of a block's four sums. */
@inline
function blockSum(s0: v128, s1: v128, s2: v128, s3: v128): f64 {
  if (!WIDE) return wideLaneSum(f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3)));
  // The engine joins sums that are stored side by side, and not sums whose lanes are added in registers.
  const at = blockSums + (thread() << 6);
  v128.store(at, s0);
  v128.store(at, s1, 16);
  v128.store(at, s2, 32);
  v128.store(at, s3, 48);
  return wideLaneSum(f32x4.add(f32x4.add(v128.load(at), v128.load(at, 16)), f32x4.add(v128.load(at, 32), v128.load(at, 48))));
}

/** The sums of both pairs of a block: Σ s, and Σ p in `pairSum`. */
let pairSum: f64 = 0;
@inline
function blockPairs(s0: v128, s1: v128, p0: v128, p1: v128): f64 {
  if (!WIDE) {
    pairSum = wideLaneSum(f32x4.add(p0, p1));
    return wideLaneSum(f32x4.add(s0, s1));
  }
  const at = blockSums + (thread() << 6);
  v128.store(at, s0);
  v128.store(at, s1, 16);
  v128.store(at, p0, 32);
  v128.store(at, p1, 48);
  pairSum = wideLaneSum(f32x4.add(v128.load(at, 32), v128.load(at, 48)));
  return wideLaneSum(f32x4.add(v128.load(at), v128.load(at, 16)));
}

/** Σ x over `count` floats. */
export function rowSum(x: usize, count: i32): f64 {
  let total: f64 = 0;
  const end = x + ((<usize>(count & ~15)) << 2);
  while (x < end) {
    const stop = min(end, x + BLOCK);
    let s0 = zero(), s1 = zero(), s2 = zero(), s3 = zero();
    for (; x < stop; x += 64) {
      s0 = f32x4.add(s0, v128.load(x));
      s1 = f32x4.add(s1, v128.load(x, 16));
      s2 = f32x4.add(s2, v128.load(x, 32));
      s3 = f32x4.add(s3, v128.load(x, 48));
    }
    total += blockSum(s0, s1, s2, s3);
  }
  for (let rest = count & 15; rest > 0; rest -= 4, x += 16) total += wideLaneSum(loadLanes(x, min(4, rest)));
  return total;
}

/**
 * Σ (x − pivot). Where the values lie far from 0 beside their spread, a pivot among them keeps the digits of their mean. The subtraction
 * costs no time, because the loop waits for its loads.
 */
export function rowDeviations(x: usize, count: i32, pivot: f32): f64 {
  const p = f32x4.splat(pivot);
  let total: f64 = 0;
  const end = x + ((<usize>(count & ~15)) << 2);
  while (x < end) {
    const stop = min(end, x + BLOCK);
    let s0 = zero(), s1 = zero(), s2 = zero(), s3 = zero();
    for (; x < stop; x += 64) {
      s0 = f32x4.add(s0, f32x4.sub(v128.load(x), p));
      s1 = f32x4.add(s1, f32x4.sub(v128.load(x, 16), p));
      s2 = f32x4.add(s2, f32x4.sub(v128.load(x, 32), p));
      s3 = f32x4.add(s3, f32x4.sub(v128.load(x, 48), p));
    }
    total += blockSum(s0, s1, s2, s3);
  }
  for (let rest = count & 15; rest > 0; rest--, x += 4) total += <f64>load<f32>(x) - pivot;
  return total;
}

/** Σ (x − centre)². */
export function rowSquares(x: usize, count: i32, centre: f32): f64 {
  const c = f32x4.splat(centre);
  let total: f64 = 0;
  const end = x + ((<usize>(count & ~15)) << 2);
  while (x < end) {
    const stop = min(end, x + BLOCK);
    let s0 = zero(), s1 = zero(), s2 = zero(), s3 = zero();
    for (; x < stop; x += 64) {
      const d0 = f32x4.sub(v128.load(x), c), d1 = f32x4.sub(v128.load(x, 16), c);
      const d2 = f32x4.sub(v128.load(x, 32), c), d3 = f32x4.sub(v128.load(x, 48), c);
      s0 = multiplyAdd(d0, d0, s0);
      s1 = multiplyAdd(d1, d1, s1);
      s2 = multiplyAdd(d2, d2, s2);
      s3 = multiplyAdd(d3, d3, s3);
    }
    total += blockSum(s0, s1, s2, s3);
  }
  for (let rest = count & 15; rest > 0; rest--, x += 4) {
    const d = load<f32>(x) - centre;
    total += <f64>d * d;
  }
  return total;
}

/** Second result of rowProducts: Σ g·(x − centre). The first, returned, is Σ g. */
export let productSum: f64 = 0;

export function rowProducts(x: usize, g: usize, count: i32, centre: f32): f64 {
  const c = f32x4.splat(centre);
  let total: f64 = 0, products: f64 = 0;
  const end = x + ((<usize>(count & ~7)) << 2);
  while (x < end) {
    const stop = min(end, x + BLOCK);
    let s0 = zero(), s1 = zero(), p0 = zero(), p1 = zero();
    for (; x < stop; x += 32, g += 32) {
      const g0 = v128.load(g), g1 = v128.load(g, 16);
      s0 = f32x4.add(s0, g0);
      s1 = f32x4.add(s1, g1);
      p0 = multiplyAdd(g0, f32x4.sub(v128.load(x), c), p0);
      p1 = multiplyAdd(g1, f32x4.sub(v128.load(x, 16), c), p1);
    }
    total += blockPairs(s0, s1, p0, p1);
    products += pairSum;
  }
  for (let rest = count & 7; rest > 0; rest--, x += 4, g += 4) {
    const gi = load<f32>(g);
    total += gi;
    products += <f64>gi * (load<f32>(x) - centre);
  }
  productSum = products;
  return total;
}

/**
 * As rowProducts, for ḡ = g where 0 < y ≤ `end`, else 0. ḡ is written to `masked`, which may be the place of g. Σ ḡ is returned, and
 * Σ ḡ·(x − centre) is `productSum`.
 */
export function rowMaskedProducts(x: usize, g: usize, y: usize, masked: usize, count: i32, centre: f32, end: f32): f64 {
  const c = f32x4.splat(centre), limit = f32x4.splat(end);
  let total: f64 = 0, products: f64 = 0;
  const last = x + ((<usize>(count & ~7)) << 2);
  while (x < last) {
    const stop = min(last, x + BLOCK);
    let s0 = zero(), s1 = zero(), p0 = zero(), p1 = zero();
    for (; x < stop; x += 32, g += 32, y += 32, masked += 32) {
      const y0 = v128.load(y), y1 = v128.load(y, 16);
      const slope0 = v128.and(f32x4.lt(zero(), y0), f32x4.le(y0, limit)), slope1 = v128.and(f32x4.lt(zero(), y1), f32x4.le(y1, limit));
      const g0 = v128.and(v128.load(g), slope0), g1 = v128.and(v128.load(g, 16), slope1);
      v128.store(masked, g0);
      v128.store(masked, g1, 16);
      s0 = f32x4.add(s0, g0);
      s1 = f32x4.add(s1, g1);
      p0 = multiplyAdd(g0, f32x4.sub(v128.load(x), c), p0);
      p1 = multiplyAdd(g1, f32x4.sub(v128.load(x, 16), c), p1);
    }
    total += blockPairs(s0, s1, p0, p1);
    products += pairSum;
  }
  for (let rest = count & 7; rest > 0; rest--, x += 4, g += 4, y += 4, masked += 4) {
    const yi = load<f32>(y);
    const gi: f32 = 0 < yi && yi <= end ? load<f32>(g) : 0;
    store<f32>(masked, gi);
    total += gi;
    products += <f64>gi * (load<f32>(x) - centre);
  }
  productSum = products;
  return total;
}

/**
 * As rowMaskedProducts, where y is computed from x in the same loop: y = activation(scale·(x − centre) + shift), with the scale, the shift
 * and the centre at `coefficients`. y is written to `y`, and ḡ takes the place of g.
 */
export function rowNormalisedProducts(x: usize, g: usize, y: usize, count: i32, coefficients: usize, activation: i32, end: f32): f64 {
  if (activation == RELU) return normalisedProducts(x, g, y, count, coefficients, RELU, end);
  return normalisedProducts(x, g, y, count, coefficients, RELU6, end);
}

@inline
function normalisedProducts(x: usize, g: usize, y: usize, count: i32, coefficients: usize, activation: i32, end: f32): f64 {
  const a = v128.load32_splat(coefficients), b = v128.load32_splat(coefficients, 4), c = v128.load32_splat(coefficients, 8);
  const limit = f32x4.splat(end);
  const centre = load<f32>(coefficients, 8);
  let total: f64 = 0, products: f64 = 0;
  const last = x + ((<usize>(count & ~7)) << 2);
  while (x < last) {
    const stop = min(last, x + BLOCK);
    let s0 = zero(), s1 = zero(), p0 = zero(), p1 = zero();
    for (; x < stop; x += 32, g += 32, y += 32) {
      const d0 = f32x4.sub(v128.load(x), c), d1 = f32x4.sub(v128.load(x, 16), c);
      const y0 = activate(multiplyAdd(d0, a, b), activation), y1 = activate(multiplyAdd(d1, a, b), activation);
      v128.store(y, y0);
      v128.store(y, y1, 16);
      let g0 = v128.and(v128.load(g), f32x4.lt(zero(), y0)), g1 = v128.and(v128.load(g, 16), f32x4.lt(zero(), y1));
      if (activation == RELU6) {
        g0 = v128.and(g0, f32x4.le(y0, limit));
        g1 = v128.and(g1, f32x4.le(y1, limit));
      }
      v128.store(g, g0);
      v128.store(g, g1, 16);
      s0 = f32x4.add(s0, g0);
      s1 = f32x4.add(s1, g1);
      p0 = multiplyAdd(g0, d0, p0);
      p1 = multiplyAdd(g1, d1, p1);
    }
    total += blockPairs(s0, s1, p0, p1);
    products += pairSum;
  }
  const rest = count & 7;
  normaliseRow(x, y, rest, coefficients, activation);
  for (let i = 0; i < rest; i++, x += 4, g += 4, y += 4) {
    const yi = load<f32>(y);
    const gi: f32 = 0 < yi && yi <= end ? load<f32>(g) : 0;
    store<f32>(g, gi);
    total += gi;
    products += <f64>gi * (load<f32>(x) - centre);
  }
  productSum = products;
  return total;
}
