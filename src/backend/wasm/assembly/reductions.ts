/**
 * Sum, maximum and its position along the middle axis of [outer, axis, inner]. With inner = 1 a row is contiguous, and one chunk takes some
 * rows. Otherwise a chunk takes 16 neighbouring columns (one cache line) along the whole axis. Sums are kept in float64, in lanes or from
 * block to block, so the result is rounded about once.
 */

import { joinHalves, lowerHalf, upperHalf } from "./double-math";
import { improves, loadLanes, storeLanes } from "./simd";
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

/** Sums of up to four columns that begin at `x`. */
@inline
function sums(x: usize, stride: usize, lanes: i32): v128 {
  let low = f64x2.splat(0), top = f64x2.splat(0);
  for (let i = 0; i < job.axis; i++, x += stride) {
    const v = loadLanes(x, lanes);
    low = f64x2.add(low, lowerHalf(v));
    top = f64x2.add(top, upperHalf(v));
  }
  return joinHalves(low, top);
}

@inline
function maxima(x: usize, stride: usize, lanes: i32): v128 {
  let best = f32x4.splat(-Infinity);
  for (let i = 0; i < job.axis; i++, x += stride) best = f32x4.max(best, loadLanes(x, lanes));
  return best;
}

/** The positions of the maxima, in an axis that is not empty. */
@inline
function positions(x: usize, stride: usize, lanes: i32): v128 {
  let best = loadLanes(x, lanes);
  let position = i32x4.splat(0);
  x += stride;
  for (let i = 1; i < job.axis; i++, x += stride) {
    const v = loadLanes(x, lanes);
    const better = improves(v, best);
    best = v128.bitselect(v, best, better);
    position = v128.bitselect(i32x4.splat(i), position, better);
  }
  return position;
}

const SUM = 0;
const MAXIMUM = 1;
const POSITION = 2;

/** The function is inlined with a constant `op`, so one of the three loops remains in each copy. */
@inline
function columns(chunk: i32, op: i32): void {
  const first = (chunk % job.columnBlocks) * COLUMNS;
  const outer = chunk / job.columnBlocks;
  const stride = (<usize>job.inner) << 2;
  const base = job.x + (((<usize>outer) * job.axis * job.inner) << 2);
  const last = min(job.inner, first + COLUMNS);
  for (let column = first; column < last; column += 4) {
    const lanes = min(4, last - column);
    const x = base + ((<usize>column) << 2);
    const y = op == SUM ? sums(x, stride, lanes) : op == MAXIMUM ? maxima(x, stride, lanes) : positions(x, stride, lanes);
    storeLanes(job.out + (((<usize>outer) * job.inner + column) << 2), y, lanes);
  }
}

function sumColumns(chunk: i32): void { columns(chunk, SUM); }
function maximumColumns(chunk: i32): void { columns(chunk, MAXIMUM); }
function positionColumns(chunk: i32): void { columns(chunk, POSITION); }

/** The position of the first element that equals `best`, or of the first NaN where `best` is NaN. One of the `count` elements does. */
function positionOf(best: f32, x: usize, count: i32): i32 {
  const wanted = f32x4.splat(best);
  const isNaN = best != best;
  let i = 0;
  for (const whole = count & ~3; i < whole; i += 4) {
    const v = v128.load(x + ((<usize>i) << 2));
    const found = i32x4.bitmask(isNaN ? f32x4.ne(v, v) : f32x4.eq(v, wanted));
    if (found != 0) return i + ctz(found);
  }
  for (; i < count; i++) {
    const value = load<f32>(x + ((<usize>i) << 2));
    if (isNaN ? value != value : value == best) return i;
  }
  return 0;
}

function positionRows(chunk: i32): void {
  const last = min(job.outer, (chunk + 1) * job.rowsPerChunk);
  for (let row = chunk * job.rowsPerChunk; row < last; row++) {
    const x = job.x + (((<usize>row) * job.axis) << 2);
    store<i32>(job.out + ((<usize>row) << 2), positionOf(rowMaximum(x, job.axis), x, job.axis));
  }
}

@inline
function reduceWith(
  alongRows: (chunk: i32) => void, alongColumns: (chunk: i32) => void, x: usize, out: usize,
  outer: i32, axis: i32, inner: i32, shared: bool,
): void {
  job.x = x;
  job.out = out;
  job.outer = outer;
  job.axis = axis;
  job.inner = inner;
  if (inner == 1) {
    job.rowsPerChunk = max(1, 16384 / max(1, axis));
    parallel(alongRows, (outer + job.rowsPerChunk - 1) / job.rowsPerChunk, shared);
  } else {
    job.columnBlocks = (inner + COLUMNS - 1) / COLUMNS;
    parallel(alongColumns, outer * job.columnBlocks, shared);
  }
}

/** The position of the first maximum, or of the first NaN, along an axis that is not empty. */
export function argmax(x: usize, out: usize, outer: i32, axis: i32, inner: i32, shared: bool): void {
  reduceWith(positionRows, positionColumns, x, out, outer, axis, inner, shared);
}

/** Computes the maximum where `maximum` is set, else the sum. */
export function reduce(maximum: bool, x: usize, out: usize, outer: i32, axis: i32, inner: i32, shared: bool): void {
  reduceWith(maximum ? maximumRows : sumRows, maximum ? maximumColumns : sumColumns, x, out, outer, axis, inner, shared);
}
