/**
 * Functions of two operands with broadcasting. The ops layer has joined axes, so what remains is a few outer axes and one inner row. Along
 * the row each operand either advances (stride 1) or stays (stride 0), which gives three loops, each with the cheapest loads for its case.
 * The host cuts a call without outer axes into rows, so that threads have rows to share.
 */

import * as Binary from "../shared/binary-codes";
import { axisOffset } from "./axis-lists";
import { geluSlope } from "./gelu";
import { loadLanes, storeLanes } from "./simd";
import { power as powerOf } from "./special-functions";
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
  /** How many outer axes there are. Their sizes and strides are in the axis lists (axis-lists.ts). */
  rank: i32;
}

const job = changetype<BroadcastJob>(JOB);

@inline
function truth(mask: v128): v128 {
  return v128.and(mask, f32x4.splat(1));
}

/** The function is inlined with a constant `op`, so one instruction remains of it. */
@inline
function apply(op: i32, a: v128, b: v128): v128 {
  if (op == Binary.add) return f32x4.add(a, b);
  if (op == Binary.subtract) return f32x4.sub(a, b);
  if (op == Binary.multiply) return f32x4.mul(a, b);
  if (op == Binary.divide) return f32x4.div(a, b);
  if (op == Binary.maximum) return f32x4.max(a, b);
  if (op == Binary.minimum) return f32x4.min(a, b);
  if (op == Binary.equal) return truth(f32x4.eq(a, b));
  if (op == Binary.notEqual) return truth(f32x4.ne(a, b));
  if (op == Binary.less) return truth(f32x4.lt(a, b));
  if (op == Binary.lessEqual) return truth(f32x4.le(a, b));
  if (op == Binary.greater) return truth(f32x4.gt(a, b));
  if (op == Binary.greaterEqual) return truth(f32x4.ge(a, b));
  if (op == Binary.power) return powerOf(a, b);
  if (op == Binary.geluGradient) return f32x4.mul(geluSlope(a), b);
  return v128.and(b, f32x4.gt(a, f32x4.splat(0)));
}

@inline
function rows(chunk: i32, op: i32): void {
  const last = min(job.rows, (chunk + 1) * job.rowsPerChunk);
  for (let row = chunk * job.rowsPerChunk; row < last; row++) {
    const count = min(job.inner, job.total - row * job.inner);
    let a = job.a + axisOffset(row, job.rank, 1);
    let b = job.b + axisOffset(row, job.rank, 2);
    let out = job.out + ((<usize>(row * job.inner)) << 2);
    const end = out + ((<usize>(count & ~3)) << 2);
    const rest = count & 3;
    // A power is computed in float64, where pairs gain nothing. V8 14 (Node 26) ends the process when it joins them.
    const paired = WIDE && op != Binary.power;
    const pairs = paired ? out + ((<usize>(count & ~7)) << 2) : out;
    if (job.runsA && job.runsB) {
      if (paired) for (; out < pairs; out += 32, a += 32, b += 32) {
        const low = apply(op, v128.load(a), v128.load(b)), high = apply(op, v128.load(a, 16), v128.load(b, 16));
        v128.store(out, low);
        v128.store(out, high, 16);
      }
      for (; out < end; out += 16, a += 16, b += 16) v128.store(out, apply(op, v128.load(a), v128.load(b)));
      if (rest > 0) storeLanes(out, apply(op, loadLanes(a, rest), loadLanes(b, rest)), rest);
    } else if (job.runsA) {
      const still = v128.load32_splat(b);
      if (paired) for (; out < pairs; out += 32, a += 32) {
        const low = apply(op, v128.load(a), still), high = apply(op, v128.load(a, 16), still);
        v128.store(out, low);
        v128.store(out, high, 16);
      }
      for (; out < end; out += 16, a += 16) v128.store(out, apply(op, v128.load(a), still));
      if (rest > 0) storeLanes(out, apply(op, loadLanes(a, rest), still), rest);
    } else {
      const still = v128.load32_splat(a);
      if (paired) for (; out < pairs; out += 32, b += 32) {
        const low = apply(op, still, v128.load(b)), high = apply(op, still, v128.load(b, 16));
        v128.store(out, low);
        v128.store(out, high, 16);
      }
      for (; out < end; out += 16, b += 16) v128.store(out, apply(op, still, v128.load(b)));
      if (rest > 0) storeLanes(out, apply(op, still, loadLanes(b, rest)), rest);
    }
  }
}

// There is one function per op, for the reason given in elementwise.ts.
function add(i: i32): void { rows(i, Binary.add); }
function subtract(i: i32): void { rows(i, Binary.subtract); }
function multiply(i: i32): void { rows(i, Binary.multiply); }
function divide(i: i32): void { rows(i, Binary.divide); }
function maximum(i: i32): void { rows(i, Binary.maximum); }
function minimum(i: i32): void { rows(i, Binary.minimum); }
function equal(i: i32): void { rows(i, Binary.equal); }
function notEqual(i: i32): void { rows(i, Binary.notEqual); }
function less(i: i32): void { rows(i, Binary.less); }
function lessEqual(i: i32): void { rows(i, Binary.lessEqual); }
function greater(i: i32): void { rows(i, Binary.greater); }
function greaterEqual(i: i32): void { rows(i, Binary.greaterEqual); }
function power(i: i32): void { rows(i, Binary.power); }
function reluGradient(i: i32): void { rows(i, Binary.reluGradient); }
function geluGradient(i: i32): void { rows(i, Binary.geluGradient); }

function chunkOf(op: i32): (i: i32) => void {
  switch (op) {
    case Binary.add: return add;
    case Binary.subtract: return subtract;
    case Binary.multiply: return multiply;
    case Binary.divide: return divide;
    case Binary.maximum: return maximum;
    case Binary.minimum: return minimum;
    case Binary.equal: return equal;
    case Binary.notEqual: return notEqual;
    case Binary.less: return less;
    case Binary.lessEqual: return lessEqual;
    case Binary.greater: return greater;
    case Binary.greaterEqual: return greaterEqual;
    case Binary.power: return power;
    case Binary.geluGradient: return geluGradient;
    default: return reluGradient;
  }
}

export function binary(
  op: i32, a: usize, b: usize, out: usize, inner: i32, rowCount: i32, total: i32, rowsPerChunk: i32,
  runsA: bool, runsB: bool, rank: i32, shared: bool,
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
