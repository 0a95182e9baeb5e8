/**
 * Functions of two operands with broadcasting. The ops layer has merged axes, so what is left is a few outer axes and one inner row along
 * which each operand either runs (stride 1) or stands still (stride 0): three loops, each with its loads as cheap as they can be.
 * A call without outer axes is cut into rows artificially, so that threads have something to share.
 */

import { loadLanes, storeLanes } from "./simd";
import { JOB, parallel } from "./team";

@unmanaged
class BroadcastJob {
  a: usize;
  b: usize;
  out: usize;
  /** Elements in a row, rows in all, elements in all. The last row of a cut call may be shorter. */
  inner: i32;
  rows: i32;
  total: i32;
  rowsPerChunk: i32;
  runsA: bool;
  runsB: bool;
  /** Outer axes: sizes and strides follow at SIZES, STRIDES_A, STRIDES_B, outermost first. */
  rank: i32;
}

const job = changetype<BroadcastJob>(JOB);
/** Room for eight outer axes each. */
const SIZES: usize = JOB + 128;
const STRIDES_A: usize = SIZES + 32;
const STRIDES_B: usize = STRIDES_A + 32;

/** Where the host writes outer sizes and strides before a call. */
export function broadcastAxes(): usize {
  return SIZES;
}

/** Byte offset of a row's start in an operand. */
function offsetOf(row: i32, strides: usize): usize {
  let offset = 0;
  for (let axis = job.rank - 1; axis >= 0; axis--) {
    const size = load<i32>(SIZES + ((<usize>axis) << 2));
    offset += (row % size) * load<i32>(strides + ((<usize>axis) << 2));
    row /= size;
  }
  return (<usize>offset) << 2;
}

@inline
function truth(mask: v128): v128 {
  return v128.and(mask, f32x4.splat(1));
}

/** The order of the ops is the host's list of vectorised ops (host/elementwise.ts). Inlined with `op` constant: one instruction is left. */
@inline
function apply(op: i32, a: v128, b: v128): v128 {
  if (op == 0) return f32x4.add(a, b);
  if (op == 1) return f32x4.sub(a, b);
  if (op == 2) return f32x4.mul(a, b);
  if (op == 3) return f32x4.div(a, b);
  if (op == 4) return f32x4.max(a, b);
  if (op == 5) return f32x4.min(a, b);
  if (op == 6) return truth(f32x4.eq(a, b));
  if (op == 7) return truth(f32x4.ne(a, b));
  if (op == 8) return truth(f32x4.lt(a, b));
  if (op == 9) return truth(f32x4.le(a, b));
  if (op == 10) return truth(f32x4.gt(a, b));
  if (op == 11) return truth(f32x4.ge(a, b));
  return v128.and(b, f32x4.gt(a, f32x4.splat(0)));
}

@inline
function rows(chunk: i32, op: i32): void {
  const last = min(job.rows, (chunk + 1) * job.rowsPerChunk);
  for (let row = chunk * job.rowsPerChunk; row < last; row++) {
    const count = min(job.inner, job.total - row * job.inner);
    let a = job.a + offsetOf(row, STRIDES_A);
    let b = job.b + offsetOf(row, STRIDES_B);
    let out = job.out + ((<usize>(row * job.inner)) << 2);
    const end = out + ((<usize>(count & ~3)) << 2);
    const rest = count & 3;
    if (job.runsA && job.runsB) {
      for (; out < end; out += 16, a += 16, b += 16) v128.store(out, apply(op, v128.load(a), v128.load(b)));
      if (rest > 0) storeLanes(out, apply(op, loadLanes(a, rest), loadLanes(b, rest)), rest);
    } else if (job.runsA) {
      const still = v128.load32_splat(b);
      for (; out < end; out += 16, a += 16) v128.store(out, apply(op, v128.load(a), still));
      if (rest > 0) storeLanes(out, apply(op, loadLanes(a, rest), still), rest);
    } else {
      const still = v128.load32_splat(a);
      for (; out < end; out += 16, b += 16) v128.store(out, apply(op, still, v128.load(b)));
      if (rest > 0) storeLanes(out, apply(op, still, loadLanes(b, rest)), rest);
    }
  }
}

// One function per op, for the reason given in elementwise.ts.
function add(i: i32): void { rows(i, 0); }
function subtract(i: i32): void { rows(i, 1); }
function multiply(i: i32): void { rows(i, 2); }
function divide(i: i32): void { rows(i, 3); }
function maximum(i: i32): void { rows(i, 4); }
function minimum(i: i32): void { rows(i, 5); }
function equal(i: i32): void { rows(i, 6); }
function notEqual(i: i32): void { rows(i, 7); }
function less(i: i32): void { rows(i, 8); }
function lessEqual(i: i32): void { rows(i, 9); }
function greater(i: i32): void { rows(i, 10); }
function greaterEqual(i: i32): void { rows(i, 11); }
function reluGradient(i: i32): void { rows(i, 12); }

function chunkOf(op: i32): (i: i32) => void {
  switch (op) {
    case 0: return add;
    case 1: return subtract;
    case 2: return multiply;
    case 3: return divide;
    case 4: return maximum;
    case 5: return minimum;
    case 6: return equal;
    case 7: return notEqual;
    case 8: return less;
    case 9: return lessEqual;
    case 10: return greater;
    case 11: return greaterEqual;
    default: return reluGradient;
  }
}

export function binary(
  op: i32, a: usize, b: usize, out: usize, inner: i32, rowCount: i32, total: i32, rowsPerChunk: i32, runsA: bool, runsB: bool, rank: i32, shared: bool,
): void {
  job.a = a;
  job.b = b;
  job.out = out;
  job.inner = inner;
  job.rows = rowCount;
  job.total = total;
  job.rowsPerChunk = rowsPerChunk;
  job.runsA = runsA;
  job.runsB = runsB;
  job.rank = rank;
  parallel(chunkOf(op), (rowCount + rowsPerChunk - 1) / rowsPerChunk, shared);
}
