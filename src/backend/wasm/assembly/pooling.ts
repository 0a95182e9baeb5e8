/**
 * The maximum of each window of an image, and where it stands. A chunk is some rows of the output. Within a row, four neighbouring windows
 * that lie inside the image are computed at a time. The windows at the border, which see fewer pixels, are computed one by one.
 *
 * The taps of a window are visited in row-major order, and a pixel replaces the best one only if it is greater or the first NaN. So the
 * first of equal pixels wins, whatever the width of the vectors.
 */

import { improves } from "./simd";
import { JOB, parallel } from "./team";

@unmanaged
export class PoolJob {
  x: usize;
  values: usize;
  positions: usize;
  height: i32;
  width: i32;
  outHeight: i32;
  outWidth: i32;
  /** Rows of the output in all planes. */
  rows: i32;
  rowsPerChunk: i32;
  kernelHeight: i32;
  kernelWidth: i32;
  strideY: i32;
  strideX: i32;
  paddingY: i32;
  paddingX: i32;
  dilationY: i32;
  dilationX: i32;
  /** The windows of a row from `innerFirst` to before `innerEnd` have all their columns inside the image. */
  innerFirst: i32;
  innerEnd: i32;
}

const job = changetype<PoolJob>(JOB);

/** Four pixels that lie `stride` pixels apart. */
@inline
function strided(at: usize, stride: i32): v128 {
  if (stride == 1) return v128.load(at);
  // The second load ends at the last pixel that is used, so nothing behind it is read.
  if (stride == 2) return v128.shuffle<f32>(v128.load(at), v128.load(at, 12), 0, 2, 5, 7);
  const step = (<usize>stride) << 2;
  let v = v128.load32_zero(at);
  v = v128.load_lane<f32>(at + step, v, 1);
  v = v128.load_lane<f32>(at + 2 * step, v, 2);
  return v128.load_lane<f32>(at + 3 * step, v, 3);
}

/** One window of any position. `top` is the image row of its first tap, and `plane` the position of the image in x. */
function window(plane: i32, top: i32, column: i32, out: usize): void {
  let best: f32 = -Infinity;
  let position = -1;
  const left = column * job.strideX - job.paddingX;
  for (let ky = 0, y = top; ky < job.kernelHeight; ky++, y += job.dilationY) {
    if (y < 0 || y >= job.height) continue;
    for (let kx = 0, x = left; kx < job.kernelWidth; kx++, x += job.dilationX) {
      if (x < 0 || x >= job.width) continue;
      const index = plane + y * job.width + x;
      const pixel = load<f32>(job.x + ((<usize>index) << 2));
      if (position < 0 || pixel > best || (pixel != pixel && best == best)) {
        best = pixel;
        position = index;
      }
    }
  }
  store<f32>(job.values + out, best);
  store<i32>(job.positions + out, position);
}

/**
 * Windows `first` to `end` − 1 of a row whose taps are in the image rows `y`, `y + dilationY`, … before `bottom`. Four windows are computed
 * at a time, and the last four overlap the ones before where the number is not a multiple of four.
 */
@inline
function innerWindows(plane: i32, y: i32, bottom: i32, first: i32, end: i32, row: usize, stride: i32): void {
  const steps = i32x4.mul(i32x4(0, 1, 2, 3), i32x4.splat(stride));
  for (let column = first; column < end; column += 4) {
    column = min(column, end - 4);
    const left = column * stride - job.paddingX;
    const start = plane + y * job.width + left;
    let best = strided(job.x + ((<usize>start) << 2), stride);
    let position = i32x4.splat(start);
    for (let line = start, ky = y; ky < bottom; ky += job.dilationY, line += job.dilationY * job.width)
      for (let kx = 0, index = line; kx < job.kernelWidth; kx++, index += job.dilationX) {
        const pixel = strided(job.x + ((<usize>index) << 2), stride);
        const better = improves(pixel, best);
        best = v128.bitselect(pixel, best, better);
        position = v128.bitselect(i32x4.splat(index), position, better);
      }
    const at = row + ((<usize>column) << 2);
    v128.store(job.values + at, best);
    v128.store(job.positions + at, i32x4.add(position, steps));
  }
}

/** Windows of 2×2 pixels side by side, `count` of them, four at a time. `index` is the position of the first pixel. */
@inline
function pairWindows(index: i32, count: i32, row: usize): void {
  const below = job.width;
  const steps = i32x4(0, 2, 4, 6);
  for (let column = 0; column < count; column += 4) {
    column = min(column, count - 4);
    const at = index + 2 * column;
    const upper = job.x + ((<usize>at) << 2), lower = upper + ((<usize>below) << 2);
    const u0 = v128.load(upper), u1 = v128.load(upper, 16), l0 = v128.load(lower), l1 = v128.load(lower, 16);
    let best = v128.shuffle<f32>(u0, u1, 0, 2, 4, 6);
    const p1 = v128.shuffle<f32>(u0, u1, 1, 3, 5, 7);
    const p2 = v128.shuffle<f32>(l0, l1, 0, 2, 4, 6), p3 = v128.shuffle<f32>(l0, l1, 1, 3, 5, 7);
    const better1 = improves(p1, best);
    best = v128.bitselect(p1, best, better1);
    let offset = v128.and(better1, i32x4.splat(1));
    const better2 = improves(p2, best);
    best = v128.bitselect(p2, best, better2);
    offset = v128.bitselect(i32x4.splat(below), offset, better2);
    const better3 = improves(p3, best);
    best = v128.bitselect(p3, best, better3);
    offset = v128.bitselect(i32x4.splat(below + 1), offset, better3);
    const to = row + ((<usize>column) << 2);
    v128.store(job.values + to, best);
    v128.store(job.positions + to, i32x4.add(i32x4.add(i32x4.splat(at), steps), offset));
  }
}

function poolRows(chunk: i32): void {
  const last = min(job.rows, (chunk + 1) * job.rowsPerChunk);
  const pairs = job.kernelHeight == 2 && job.kernelWidth == 2 && job.strideX == 2 && job.dilationX == 1;
  for (let row = chunk * job.rowsPerChunk; row < last; row++) {
    const plane = (row / job.outHeight) * job.height * job.width;
    const top = (row % job.outHeight) * job.strideY - job.paddingY;
    const out = (<usize>(row * job.outWidth)) << 2;
    // The taps inside the image: from image row y on, before `bottom`.
    let y = top;
    while (y < 0) y += job.dilationY;
    const bottom = min(job.height, top + (job.kernelHeight - 1) * job.dilationY + 1);
    let first = job.innerFirst, end = job.innerEnd;
    if (end - first < 4 || y >= bottom) first = end = 0;
    for (let column = 0; column < first; column++) window(plane, top, column, out + ((<usize>column) << 2));
    if (first < end) {
      if (pairs && y == top && bottom == top + job.dilationY + 1 && job.dilationY == 1)
        pairWindows(plane + y * job.width + first * 2 - job.paddingX, end - first, out + ((<usize>first) << 2));
      else if (job.strideX == 1) innerWindows(plane, y, bottom, first, end, out, 1);
      else if (job.strideX == 2) innerWindows(plane, y, bottom, first, end, out, 2);
      else innerWindows(plane, y, bottom, first, end, out, job.strideX);
    }
    for (let column = end; column < job.outWidth; column++) window(plane, top, column, out + ((<usize>column) << 2));
  }
}

/** Runs the job that the host has written. */
export function maxPool2d(shared: bool): void {
  parallel(poolRows, (job.rows + job.rowsPerChunk - 1) / job.rowsPerChunk, shared);
}
