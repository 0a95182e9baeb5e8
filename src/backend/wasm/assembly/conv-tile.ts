/**
 * The innermost loop of convolution: 4 output channels × 8 output pixels in registers while the taps run, all input channels' taps in
 * one row. It is the 4×8 tile of matrix multiplication (see gemm-tile.ts for why that size), with one difference: the right operand is not
 * packed but read where it lies, at the pixel's address plus the tap's offset from a table. So no im2col matrix is ever written. Instead,
 * each input element is read Kh·Kw times from the first-level cache.
 */

import { multiplyAdd, zero } from "./simd";

/**
 * The sums of 4 channels × 2 vectors of pixels, to `low` and `high` and on from there in steps of `plane` bytes per channel. `weights`
 * is packed [tap][4]; `pixels0` and `pixels1` are the addresses of two vectors of four neighbouring pixels, which may stand in different
 * rows.
 */
export function convTile(taps: i32, offsets: usize, weights: usize, pixels0: usize, pixels1: usize, low: usize, high: usize, plane: usize): void {
  let s00 = zero(), s01 = zero(), s10 = zero(), s11 = zero();
  let s20 = zero(), s21 = zero(), s30 = zero(), s31 = zero();
  const end = weights + ((<usize>taps) << 4);
  while (weights < end) {
    const offset = load<usize>(offsets);
    const x0 = v128.load(pixels0 + offset), x1 = v128.load(pixels1 + offset);
    const w0 = v128.load32_splat(weights), w1 = v128.load32_splat(weights, 4);
    const w2 = v128.load32_splat(weights, 8), w3 = v128.load32_splat(weights, 12);
    s00 = multiplyAdd(w0, x0, s00);
    s01 = multiplyAdd(w0, x1, s01);
    s10 = multiplyAdd(w1, x0, s10);
    s11 = multiplyAdd(w1, x1, s11);
    s20 = multiplyAdd(w2, x0, s20);
    s21 = multiplyAdd(w2, x1, s21);
    s30 = multiplyAdd(w3, x0, s30);
    s31 = multiplyAdd(w3, x1, s31);
    weights += 16;
    offsets += 4;
  }
  v128.store(low, s00);
  v128.store(high, s01);
  v128.store((low += plane), s10);
  v128.store((high += plane), s11);
  v128.store((low += plane), s20);
  v128.store((high += plane), s21);
  v128.store(low + plane, s30);
  v128.store(high + plane, s31);
}
