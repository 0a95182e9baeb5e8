/**
 * The innermost loop of matrix multiplication: a 4×8 tile of C held in registers while k runs.
 *
 * Why 4×8: two multiply-adds per cycle with a latency of 4 cycles need 8 independent sums, and that is 4 rows × 2 vectors. A step
 * of k loads 2 vectors of B and broadcasts 4 numbers of A: 6 loads in 4 cycles, where the machine can do 8.
 *
 * Why not larger, and why not unrolled: V8's optimiser moves all loads of a loop body to its top and the arithmetic below them, so
 * every loaded vector of one body is alive at once. 8 sums + 6 operands = 14 of the 15 usable registers; a 6×8 tile (20) or two
 * steps of k (20) spill to the stack. Measured with operands in the first-level cache, GFLOP/s baseline / relaxed: 4×8 40 / 52,
 * 4×8 twice unrolled 31 / 49, 6×8 29 / 56, 6×8 twice unrolled 37 / 38, 2×20 24 / 23. Broadcasting by load beats loading four and shuffling.
 *
 * A is packed [k][4], B [k][8]: both are read front to back.
 */

import { multiplyAdd, zero } from "./simd";

/** C[4,8] = or += A·B. `rowC` is the byte distance of C's rows. */
export function tile4x8(k: i32, a: usize, b: usize, c: usize, rowC: usize, accumulate: bool): void {
  let c00 = zero(), c01 = zero(), c10 = zero(), c11 = zero();
  let c20 = zero(), c21 = zero(), c30 = zero(), c31 = zero();
  const end = a + ((<usize>k) << 4);
  while (a < end) {
    const b0 = v128.load(b), b1 = v128.load(b, 16);
    const a0 = v128.load32_splat(a), a1 = v128.load32_splat(a, 4), a2 = v128.load32_splat(a, 8), a3 = v128.load32_splat(a, 12);
    c00 = multiplyAdd(a0, b0, c00);
    c01 = multiplyAdd(a0, b1, c01);
    c10 = multiplyAdd(a1, b0, c10);
    c11 = multiplyAdd(a1, b1, c11);
    c20 = multiplyAdd(a2, b0, c20);
    c21 = multiplyAdd(a2, b1, c21);
    c30 = multiplyAdd(a3, b0, c30);
    c31 = multiplyAdd(a3, b1, c31);
    a += 16;
    b += 32;
  }
  finish(c, c00, c01, accumulate);
  finish((c += rowC), c10, c11, accumulate);
  finish((c += rowC), c20, c21, accumulate);
  finish((c += rowC), c30, c31, accumulate);
}

@inline
function finish(c: usize, low: v128, high: v128, accumulate: bool): void {
  if (accumulate) {
    low = f32x4.add(low, v128.load(c));
    high = f32x4.add(high, v128.load(c, 16));
  }
  v128.store(c, low);
  v128.store(c, high, 16);
}
