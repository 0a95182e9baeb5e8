/**
 * Functions of one operand, element by element, in chunks. The loop is written once and inlined once per op, with the op as a constant, so
 * one instruction or a few remain of `apply` in each copy. (Function literals would read better, but the compiler calls them indirectly for
 * every vector.)
 */

import { chunkElements } from "../shared/sizes";
import * as Unary from "../shared/unary-codes";
import { gelu } from "./gelu";
import { loadLanes, storeLanes } from "./simd";
import { erf, expm1, log1p, normalCdf } from "./special-functions";
import { JOB, parallel } from "./team";
import { cos, sin } from "./trigonometry";
import { exp, log, sigmoid, tanh } from "./vector-math";

const CHUNK: i32 = chunkElements;
/** A code of this file alone: clamp has a function of its own. */
const CLAMP = -1;

@unmanaged
class ElementwiseJob {
  length: i32;
  x: usize;
  y: usize;
  z: usize;
  out: usize;
  low: f32;
  high: f32;
}

const job = changetype<ElementwiseJob>(JOB);

@inline
function chunks(length: i32): i32 {
  return (length + CHUNK - 1) / CHUNK;
}

@inline
function one(): v128 {
  return f32x4.splat(1);
}

@inline
function zero(): v128 {
  return f32x4.splat(0);
}

@inline
function apply(op: i32, x: v128): v128 {
  if (op == Unary.negate) return f32x4.neg(x);
  if (op == Unary.absolute) return f32x4.abs(x);
  // Comparisons give +1 or −1. Where neither comparison holds (±0 and NaN) the result is x itself.
  if (op == Unary.sign) return v128.bitselect(one(), v128.bitselect(f32x4.splat(-1), x, f32x4.lt(x, zero())), f32x4.gt(x, zero()));
  if (op == Unary.reciprocal) return f32x4.div(one(), x);
  if (op == Unary.exp) return exp(x);
  if (op == Unary.log) return log(x);
  if (op == Unary.sqrt) return f32x4.sqrt(x);
  if (op == Unary.reciprocalSqrt) return f32x4.div(one(), f32x4.sqrt(x));
  if (op == Unary.tanh) return tanh(x);
  if (op == Unary.sigmoid) return sigmoid(x);
  if (op == Unary.relu) return f32x4.max(x, zero());
  if (op == Unary.step) return v128.and(one(), f32x4.gt(x, zero()));
  if (op == Unary.floor) return f32x4.floor(x);
  if (op == Unary.gelu) return gelu(x);
  if (op == Unary.erf) return erf(x);
  if (op == Unary.normalCdf) return normalCdf(x);
  if (op == Unary.expm1) return expm1(x);
  if (op == Unary.log1p) return log1p(x);
  if (op == Unary.sin) return sin(x);
  if (op == Unary.cos) return cos(x);
  if (op == Unary.not) return v128.and(one(), f32x4.eq(x, zero()));
  return f32x4.min(f32x4.max(x, f32x4.splat(job.low)), f32x4.splat(job.high));
}

/** y = f(x) over one chunk; where the length is not a multiple of four, the last lanes are read and written one by one. */
@inline
function map(chunk: i32, op: i32): void {
  const first = chunk * CHUNK;
  const count = min(CHUNK, job.length - first);
  let x = job.x + ((<usize>first) << 2);
  let out = job.out + ((<usize>first) << 2);
  const end = x + ((<usize>(count & ~3)) << 2);
  // The functions from erf on are computed in float64, where pairs gain nothing.
  if (WIDE && (op < Unary.erf || op == CLAMP)) {
    for (const pairs = x + ((<usize>(count & ~7)) << 2); x < pairs; x += 32, out += 32) {
      const low = apply(op, v128.load(x)), high = apply(op, v128.load(x, 16));
      v128.store(out, low);
      v128.store(out, high, 16);
    }
  }
  while (x < end) {
    v128.store(out, apply(op, v128.load(x)));
    x += 16;
    out += 16;
  }
  const rest = count & 3;
  if (rest > 0) storeLanes(out, apply(op, loadLanes(x, rest)), rest);
}

// There is one function per op: within one function the optimiser would merge the copies of the loop into one loop that tests the op each
// time.
function negate(i: i32): void { map(i, Unary.negate); }
function absolute(i: i32): void { map(i, Unary.absolute); }
function sign(i: i32): void { map(i, Unary.sign); }
function reciprocal(i: i32): void { map(i, Unary.reciprocal); }
function exponential(i: i32): void { map(i, Unary.exp); }
function logarithm(i: i32): void { map(i, Unary.log); }
function squareRoot(i: i32): void { map(i, Unary.sqrt); }
function reciprocalSquareRoot(i: i32): void { map(i, Unary.reciprocalSqrt); }
function hyperbolicTangent(i: i32): void { map(i, Unary.tanh); }
function logistic(i: i32): void { map(i, Unary.sigmoid); }
function relu(i: i32): void { map(i, Unary.relu); }
function step(i: i32): void { map(i, Unary.step); }
function floor(i: i32): void { map(i, Unary.floor); }
function not(i: i32): void { map(i, Unary.not); }
function gaussianErrorLinear(i: i32): void { map(i, Unary.gelu); }
function errorFunction(i: i32): void { map(i, Unary.erf); }
function normalDistribution(i: i32): void { map(i, Unary.normalCdf); }
function exponentialMinusOne(i: i32): void { map(i, Unary.expm1); }
function logarithmOfOnePlus(i: i32): void { map(i, Unary.log1p); }
function sine(i: i32): void { map(i, Unary.sin); }
function cosine(i: i32): void { map(i, Unary.cos); }
function clamped(i: i32): void { map(i, CLAMP); }

function chunkOf(op: i32): (i: i32) => void {
  switch (op) {
    case Unary.negate: return negate;
    case Unary.absolute: return absolute;
    case Unary.sign: return sign;
    case Unary.reciprocal: return reciprocal;
    case Unary.exp: return exponential;
    case Unary.log: return logarithm;
    case Unary.sqrt: return squareRoot;
    case Unary.reciprocalSqrt: return reciprocalSquareRoot;
    case Unary.tanh: return hyperbolicTangent;
    case Unary.sigmoid: return logistic;
    case Unary.relu: return relu;
    case Unary.step: return step;
    case Unary.floor: return floor;
    case Unary.not: return not;
    case Unary.gelu: return gaussianErrorLinear;
    case Unary.erf: return errorFunction;
    case Unary.normalCdf: return normalDistribution;
    case Unary.expm1: return exponentialMinusOne;
    case Unary.log1p: return logarithmOfOnePlus;
    case Unary.sin: return sine;
    case Unary.cos: return cosine;
    default: return clamped;
  }
}

export function unary(op: i32, x: usize, out: usize, length: i32, shared: bool): void {
  job.x = x;
  job.out = out;
  job.length = length;
  parallel(chunkOf(op), chunks(length), shared);
}

export function clamp(x: usize, out: usize, length: i32, low: f32, high: f32, shared: bool): void {
  job.x = x;
  job.out = out;
  job.length = length;
  job.low = low;
  job.high = high;
  parallel(clamped, chunks(length), shared);
}

function selectChunk(i: i32): void {
  const first = i * CHUNK;
  const count = min(CHUNK, job.length - first);
  const start = (<usize>first) << 2;
  const end = start + ((<usize>count) << 2);
  let at = start;
  if (WIDE) {
    for (const pairs = start + ((<usize>(count & ~7)) << 2); at < pairs; at += 32) {
      const low = f32x4.ne(v128.load(job.x + at), zero()), high = f32x4.ne(v128.load(job.x + at, 16), zero());
      v128.store(job.out + at, v128.bitselect(v128.load(job.y + at), v128.load(job.z + at), low));
      v128.store(job.out + at, v128.bitselect(v128.load(job.y + at, 16), v128.load(job.z + at, 16), high), 16);
    }
  }
  for (; at < end; at += 16) {
    const lanes = min(4, <i32>((end - at) >> 2));
    const holds = f32x4.ne(loadLanes(job.x + at, lanes), zero());
    storeLanes(job.out + at, v128.bitselect(loadLanes(job.y + at, lanes), loadLanes(job.z + at, lanes), holds), lanes);
  }
}

/** condition ≠ 0 ? a : b. */
export function select_(condition: usize, a: usize, b: usize, out: usize, length: i32, shared: bool): void {
  job.x = condition;
  job.y = a;
  job.z = b;
  job.out = out;
  job.length = length;
  parallel(selectChunk, chunks(length), shared);
}
