/**
 * Copying and adding at indices: gather reads x[o, index, i], and scatterAdd adds to it. x is [outer, axis, inner], and y, which is read or
 * added, is [outer, count, inner].
 *
 * A chunk of gather is some rows of its result. A chunk of scatterAdd is some columns of one `outer`, along all indices. So no two threads
 * add to the same element, and the elements of a repeated index are added in order.
 */

import { chunkElements } from "../shared/sizes";
import { JOB, parallel } from "./team";

@unmanaged
class IndexingJob {
  x: usize;
  indices: usize;
  y: usize;
  axis: i32;
  inner: i32;
  count: i32;
  rows: i32;
  rowsPerChunk: i32;
  columnsPerChunk: i32;
  columnBlocks: i32;
}

const job = changetype<IndexingJob>(JOB);

/** From this size on, the engine's block copy is faster than a loop. */
const LONG_ROW: usize = 1024;

/** The position of the first index outside [0, bound), or −1. A negative index reads as a large unsigned number. */
export function firstOutside(indices: usize, count: i32, bound: i32): i32 {
  const bounds = i32x4.splat(bound);
  let j = 0;
  for (const whole = count & ~3; j < whole; j += 4)
    if (v128.any_true(i32x4.ge_u(v128.load(indices + ((<usize>j) << 2)), bounds))) break;
  for (; j < count; j++) if (load<u32>(indices + ((<usize>j) << 2)) >= <u32>bound) return j;
  return -1;
}

@inline
function copyRow(to: usize, from: usize, bytes: usize): void {
  if (bytes >= LONG_ROW) {
    memory.copy(to, from, bytes);
    return;
  }
  const end = to + bytes;
  for (const whole = to + (bytes & ~15); to < whole; to += 16, from += 16) v128.store(to, v128.load(from));
  for (; to < end; to += 4, from += 4) store<u32>(to, load<u32>(from));
}

function gatherRows(chunk: i32): void {
  const last = min(job.rows, (chunk + 1) * job.rowsPerChunk);
  const bytes = (<usize>job.inner) << 2, count = job.count;
  for (let row = chunk * job.rowsPerChunk; row < last; ) {
    const outer = row / count;
    const x = job.x + <usize>(outer * job.axis) * bytes;
    let index = job.indices + ((<usize>(row - outer * count)) << 2);
    let y = job.y + <usize>row * bytes;
    const end = min(last, (outer + 1) * count);
    if (bytes == 4) for (; row < end; row++, index += 4, y += 4) store<u32>(y, load<u32>(x + (load<usize>(index) << 2)));
    else for (; row < end; row++, index += 4, y += bytes) copyRow(y, x + load<usize>(index) * bytes, bytes);
  }
}

@inline
function describe(x: usize, indices: usize, y: usize, axis: i32, inner: i32, count: i32): void {
  job.x = x;
  job.indices = indices;
  job.y = y;
  job.axis = axis;
  job.inner = inner;
  job.count = count;
}

export function gather(x: usize, indices: usize, y: usize, outer: i32, axis: i32, inner: i32, count: i32, shared: bool): void {
  describe(x, indices, y, axis, inner, count);
  job.rows = outer * count;
  job.rowsPerChunk = max(1, chunkElements / inner);
  parallel(gatherRows, (job.rows + job.rowsPerChunk - 1) / job.rowsPerChunk, shared);
}

@inline
function addRow(to: usize, from: usize, bytes: usize): void {
  const end = to + bytes;
  if (WIDE) {
    for (const pairs = to + (bytes & ~31); to < pairs; to += 32, from += 32) {
      const low = f32x4.add(v128.load(to), v128.load(from)), high = f32x4.add(v128.load(to, 16), v128.load(from, 16));
      v128.store(to, low);
      v128.store(to, high, 16);
    }
  }
  for (const whole = to + ((end - to) & ~15); to < whole; to += 16, from += 16) v128.store(to, f32x4.add(v128.load(to), v128.load(from)));
  for (; to < end; to += 4, from += 4) store<f32>(to, load<f32>(to) + load<f32>(from));
}

function addColumns(chunk: i32): void {
  const outer = chunk / job.columnBlocks;
  const first = (chunk % job.columnBlocks) * job.columnsPerChunk;
  const row = (<usize>job.inner) << 2;
  const bytes = (<usize>min(job.columnsPerChunk, job.inner - first)) << 2;
  const x = job.x + <usize>(outer * job.axis) * row + ((<usize>first) << 2);
  let y = job.y + <usize>(outer * job.count) * row + ((<usize>first) << 2);
  let index = job.indices;
  const end = index + ((<usize>job.count) << 2);
  if (row == 4) {
    for (; index < end; index += 4, y += 4) {
      const to = x + (load<usize>(index) << 2);
      store<f32>(to, load<f32>(to) + load<f32>(y));
    }
  } else for (; index < end; index += 4, y += row) addRow(x + load<usize>(index) * row, y, bytes);
}

/** Adds to x, which the host has filled with zeros. The blocks of columns depend on the shape alone, and are whole vectors wide. */
export function scatterAdd(y: usize, indices: usize, x: usize, outer: i32, axis: i32, inner: i32, count: i32, shared: bool): void {
  describe(x, indices, y, axis, inner, count);
  job.columnsPerChunk = max(16, ((inner + 7) / 8 + 15) & ~15);
  job.columnBlocks = (inner + job.columnsPerChunk - 1) / job.columnsPerChunk;
  parallel(addColumns, outer * job.columnBlocks, shared);
}
