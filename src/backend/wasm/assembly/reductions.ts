/**
 * Sum and maximum along the middle axis of [outer, axis, inner]. With inner = 1 a row is contiguous, and one chunk takes some rows.
 * Otherwise a chunk takes
 * 16 neighbouring columns (one cache line) along the whole axis. Sums are kept in float64, in lanes or from block to block, so the result
 * is rounded about once.
 */

import { joinHalves, lowerHalf, upperHalf } from "./double-math";
import { loadLanes, storeLanes } from "./simd";
import { rowSum } from "./row-sums";
import { JOB, parallel } from "./team";

@unmanaged
class ReduceJob {
  x: usize;
  out: usize;
  outer: i32;
  axis: i32;
  inner: i32;
  rowsPerChunk: i32;
  columnBlocks: i32;
}

const job = changetype<ReduceJob>(JOB);
const COLUMNS: i32 = 16;

function rowMaximum(x: usize, count: i32): f32 {
  let top = f32x4.splat(-Infinity);
  const end = x + ((<usize>(count & ~3)) << 2);
  if (count >= 16) {
    // Four maxima beside each other, because each step waits for the one before.
    let t1 = top, t2 = top, t3 = top;
    for (const whole = x + ((<usize>(count & ~15)) << 2); x < whole; x += 64) {
      top = f32x4.max(top, v128.load(x));
      t1 = f32x4.max(t1, v128.load(x, 16));
      t2 = f32x4.max(t2, v128.load(x, 32));
      t3 = f32x4.max(t3, v128.load(x, 48));
    }
    top = f32x4.max(f32x4.max(top, t1), f32x4.max(t2, t3));
  }
  for (; x < end; x += 16) top = f32x4.max(top, v128.load(x));
  let best = max(max(f32x4.extract_lane(top, 0), f32x4.extract_lane(top, 1)), max(f32x4.extract_lane(top, 2), f32x4.extract_lane(top, 3)));
  for (let rest = count & 3; rest > 0; rest--, x += 4) best = max(best, load<f32>(x));
  return best;
}

function sumRows(chunk: i32): void {
  const last = min(job.outer, (chunk + 1) * job.rowsPerChunk);
  for (let row = chunk * job.rowsPerChunk; row < last; row++)
    store<f32>(job.out + ((<usize>row) << 2), <f32>rowSum(job.x + (((<usize>row) * job.axis) << 2), job.axis));
}

function maximumRows(chunk: i32): void {
  const last = min(job.outer, (chunk + 1) * job.rowsPerChunk);
  for (let row = chunk * job.rowsPerChunk; row < last; row++)
    store<f32>(job.out + ((<usize>row) << 2), rowMaximum(job.x + (((<usize>row) * job.axis) << 2), job.axis));
}

function sumColumns(chunk: i32): void {
  const first = (chunk % job.columnBlocks) * COLUMNS;
  const outer = chunk / job.columnBlocks;
  const stride = (<usize>job.inner) << 2;
  const base = job.x + (((<usize>outer) * job.axis * job.inner) << 2);
  const last = min(job.inner, first + COLUMNS);
  for (let column = first; column < last; column += 4) {
    const lanes = min(4, last - column);
    let low = f64x2.splat(0), top = f64x2.splat(0);
    let x = base + ((<usize>column) << 2);
    for (let i = 0; i < job.axis; i++, x += stride) {
      const v = loadLanes(x, lanes);
      low = f64x2.add(low, lowerHalf(v));
      top = f64x2.add(top, upperHalf(v));
    }
    storeLanes(job.out + (((<usize>outer) * job.inner + column) << 2), joinHalves(low, top), lanes);
  }
}

function maximumColumns(chunk: i32): void {
  const first = (chunk % job.columnBlocks) * COLUMNS;
  const outer = chunk / job.columnBlocks;
  const stride = (<usize>job.inner) << 2;
  const base = job.x + (((<usize>outer) * job.axis * job.inner) << 2);
  const last = min(job.inner, first + COLUMNS);
  for (let column = first; column < last; column += 4) {
    const lanes = min(4, last - column);
    let best = f32x4.splat(-Infinity);
    let x = base + ((<usize>column) << 2);
    for (let i = 0; i < job.axis; i++, x += stride) best = f32x4.max(best, loadLanes(x, lanes));
    storeLanes(job.out + (((<usize>outer) * job.inner + column) << 2), best, lanes);
  }
}

/** Computes the maximum where `maximum` is set, else the sum. */
export function reduce(maximum: bool, x: usize, out: usize, outer: i32, axis: i32, inner: i32, shared: bool): void {
  job.x = x;
  job.out = out;
  job.outer = outer;
  job.axis = axis;
  job.inner = inner;
  if (inner == 1) {
    job.rowsPerChunk = max(1, 16384 / max(1, axis));
    parallel(maximum ? maximumRows : sumRows, (outer + job.rowsPerChunk - 1) / job.rowsPerChunk, shared);
  } else {
    job.columnBlocks = (inner + COLUMNS - 1) / COLUMNS;
    parallel(maximum ? maximumColumns : sumColumns, outer * job.columnBlocks, shared);
  }
}
