/**
 * Copies elements of four bytes between a contiguous tensor and a strided view of another tensor. Reading through a view is permute, slice,
 * flip and broadcast. Writing through a view is pad, concatenate and the adjoint of a slice. A row is the last axis of the view: it is
 * copied as a whole where it is contiguous, else element by element.
 */

import { chunkElements } from "../shared/sizes";
import { axisOffset } from "./axis-lists";
import { JOB, parallel } from "./team";

@unmanaged
class ViewJob {
  /** The contiguous side and the strided side. The kernel decides which of them is the source. */
  packed: usize;
  strided: usize;
  inner: i32;
  rows: i32;
  rowsPerChunk: i32;
  /** Bytes between neighbours of a row on the strided side. */
  step: i32;
  rank: i32;
  value: f32;
  length: i32;
}

const job = changetype<ViewJob>(JOB);

/** Address of a row's first element on the strided side. */
@inline
function rowAddress(row: i32): usize {
  return job.strided + axisOffset(row, job.rank, 1);
}

function readRows(chunk: i32): void {
  const last = min(job.rows, (chunk + 1) * job.rowsPerChunk);
  const bytes = (<usize>job.inner) << 2;
  for (let row = chunk * job.rowsPerChunk; row < last; row++) {
    let from = rowAddress(row);
    let to = job.packed + (<usize>row) * bytes;
    const end = to + bytes;
    if (job.step == 4) memory.copy(to, from, bytes);
    else for (; to < end; to += 4, from += job.step) store<u32>(to, load<u32>(from));
  }
}

function writeRows(chunk: i32): void {
  const last = min(job.rows, (chunk + 1) * job.rowsPerChunk);
  const bytes = (<usize>job.inner) << 2;
  for (let row = chunk * job.rowsPerChunk; row < last; row++) {
    let to = rowAddress(row);
    let from = job.packed + (<usize>row) * bytes;
    const end = from + bytes;
    if (job.step == 4) memory.copy(to, from, bytes);
    else for (; from < end; from += 4, to += job.step) store<u32>(to, load<u32>(from));
  }
}

/** Reads the view of `strided` into `packed`, or writes `packed` through it. `strided` already points at the view's offset. */
export function moveView(write: bool, packed: usize, strided: usize, inner: i32, rows: i32, step: i32, rank: i32, shared: bool): void {
  job.packed = packed;
  job.strided = strided;
  job.inner = inner;
  job.rows = rows;
  job.step = step << 2;
  job.rank = rank;
  job.rowsPerChunk = max(1, chunkElements / max(1, inner));
  parallel(write ? writeRows : readRows, (rows + job.rowsPerChunk - 1) / job.rowsPerChunk, shared);
}

function fillChunk(chunk: i32): void {
  const first = chunk * chunkElements;
  const count = min(chunkElements, job.length - first);
  let at = job.packed + ((<usize>first) << 2);
  const end = at + ((<usize>count) << 2);
  const v = f32x4.splat(job.value);
  for (const stop = end - 12; at < stop; at += 16) v128.store(at, v);
  for (; at < end; at += 4) store<f32>(at, job.value);
}

export function fill(out: usize, length: i32, value: f32, shared: bool): void {
  job.packed = out;
  job.length = length;
  job.value = value;
  parallel(fillChunk, (length + (chunkElements - 1)) / chunkElements, shared);
}
