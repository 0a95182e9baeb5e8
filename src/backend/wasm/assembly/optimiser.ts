/** The in-place updates of SGD and Adam: one launch for all parameters of a step, and one pass over the arrays of each. */

import { chunkElements } from "../shared/sizes";
import { loadLanes, multiplyAdd, storeLanes } from "./simd";
import { JOB, parallel } from "./team";

const CHUNK: i32 = chunkElements;

/** What the host writes for a step of SGD. Flags are 0 or 1. */
@unmanaged
export class SgdJob {
  /** The address of the table of SgdEntry, and its length. */
  entries: usize;
  count: i32;
  momentum: f32;
  nesterov: i32;
  /** 1 where the momentum buffers have no value yet. */
  first: i32;
}

/** One parameter. */
@unmanaged
export class SgdEntry {
  /** The number of the parameter's first chunk. The chunks of all parameters are numbered one behind the other. */
  firstChunk: i32;
  length: i32;
  parameter: usize;
  gradient: usize;
  /** The momentum buffer; 0 without momentum. */
  velocity: usize;
  learningRate: f32;
  weightDecay: f32;
}

/** What the host writes for a step of Adam. Flags are 0 or 1. */
@unmanaged
export class AdamJob {
  /** The address of the table of AdamEntry, and its length. */
  entries: usize;
  count: i32;
  beta1: f32;
  beta2: f32;
  /** 1 − β₁ and 1 − β₂, computed by the host in float64: 1 − 0.999 in float32 would lose four digits. */
  rest1: f32;
  rest2: f32;
  epsilon: f32;
  decoupled: i32;
}

/** One parameter. */
@unmanaged
export class AdamEntry {
  /** As in SgdEntry. */
  firstChunk: i32;
  length: i32;
  parameter: usize;
  gradient: usize;
  mean: usize;
  square: usize;
  learningRate: f32;
  weightDecay: f32;
  /** 1/(1 − β₁ᵗ) and 1/(1 − β₂ᵗ). */
  correction1: f32;
  correction2: f32;
}

/** The address of the last of `count` entries whose first chunk is `chunk` or before it. The first field of an entry is `firstChunk`. */
@inline
function entryOf(entries: usize, size: usize, count: i32, chunk: i32): usize {
  let low = 0, high = count;
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if (load<i32>(entries + <usize>middle * size) <= chunk) low = middle;
    else high = middle;
  }
  return entries + <usize>low * size;
}

function sgdChunk(chunk: i32): void {
  const job = changetype<SgdJob>(JOB);
  const entry = changetype<SgdEntry>(entryOf(job.entries, offsetof<SgdEntry>(), job.count, chunk));
  const before = (chunk - entry.firstChunk) * CHUNK;
  const start = (<usize>before) << 2;
  const end = start + ((<usize>min(CHUNK, entry.length - before)) << 2);
  const decay = f32x4.splat(entry.weightDecay), rate = f32x4.splat(-entry.learningRate), momentum = f32x4.splat(job.momentum);
  const hasVelocity = entry.velocity != 0, first = job.first != 0, nesterov = job.nesterov != 0;
  let at = start;
  if (WIDE) {
    for (const pairs = start + ((end - start) & ~31); at < pairs; at += 32) {
      const p0 = v128.load(entry.parameter + at), p1 = v128.load(entry.parameter + at, 16);
      const step0 = multiplyAdd(decay, p0, v128.load(entry.gradient + at));
      const step1 = multiplyAdd(decay, p1, v128.load(entry.gradient + at, 16));
      let s0 = step0, s1 = step1;
      if (hasVelocity) {
        let v0 = s0, v1 = s1;
        if (!first) {
          v0 = multiplyAdd(momentum, v128.load(entry.velocity + at), s0);
          v1 = multiplyAdd(momentum, v128.load(entry.velocity + at, 16), s1);
        }
        v128.store(entry.velocity + at, v0);
        v128.store(entry.velocity + at, v1, 16);
        s0 = v0;
        s1 = v1;
        if (nesterov) {
          s0 = multiplyAdd(momentum, v0, step0);
          s1 = multiplyAdd(momentum, v1, step1);
        }
      }
      v128.store(entry.parameter + at, multiplyAdd(rate, s0, p0));
      v128.store(entry.parameter + at, multiplyAdd(rate, s1, p1), 16);
    }
  }
  for (; at < end; at += 16) {
    const lanes = min(4, <i32>((end - at) >> 2));
    const p = loadLanes(entry.parameter + at, lanes);
    let step = multiplyAdd(decay, p, loadLanes(entry.gradient + at, lanes));
    if (hasVelocity) {
      const v = first ? step : multiplyAdd(momentum, loadLanes(entry.velocity + at, lanes), step);
      storeLanes(entry.velocity + at, v, lanes);
      step = nesterov ? multiplyAdd(momentum, v, step) : v;
    }
    storeLanes(entry.parameter + at, multiplyAdd(rate, step, p), lanes);
  }
}

/** Runs the job that the host has written at JOB. */
export function sgdUpdate(chunks: i32, shared: bool): void {
  parallel(sgdChunk, chunks, shared);
}

function adamChunk(chunk: i32): void {
  const job = changetype<AdamJob>(JOB);
  const entry = changetype<AdamEntry>(entryOf(job.entries, offsetof<AdamEntry>(), job.count, chunk));
  const before = (chunk - entry.firstChunk) * CHUNK;
  const start = (<usize>before) << 2;
  const end = start + ((<usize>min(CHUNK, entry.length - before)) << 2);
  const decay = f32x4.splat(entry.weightDecay), rate = f32x4.splat(-entry.learningRate);
  const keep = f32x4.splat(1 - entry.learningRate * entry.weightDecay);
  const beta1 = f32x4.splat(job.beta1), beta2 = f32x4.splat(job.beta2), epsilon = f32x4.splat(job.epsilon);
  const rest1 = f32x4.splat(job.rest1), rest2 = f32x4.splat(job.rest2);
  const correction1 = f32x4.splat(entry.correction1), correction2 = f32x4.splat(entry.correction2);
  const decoupled = job.decoupled != 0;
  let at = start;
  if (WIDE) {
    for (const pairs = start + ((end - start) & ~31); at < pairs; at += 32) {
      let p0 = v128.load(entry.parameter + at), p1 = v128.load(entry.parameter + at, 16);
      let g0 = v128.load(entry.gradient + at), g1 = v128.load(entry.gradient + at, 16);
      if (decoupled) {
        p0 = f32x4.mul(p0, keep);
        p1 = f32x4.mul(p1, keep);
      } else {
        g0 = multiplyAdd(decay, p0, g0);
        g1 = multiplyAdd(decay, p1, g1);
      }
      const v0 = multiplyAdd(beta1, v128.load(entry.mean + at), f32x4.mul(rest1, g0));
      const v1 = multiplyAdd(beta1, v128.load(entry.mean + at, 16), f32x4.mul(rest1, g1));
      const s0 = multiplyAdd(beta2, v128.load(entry.square + at), f32x4.mul(f32x4.mul(rest2, g0), g0));
      const s1 = multiplyAdd(beta2, v128.load(entry.square + at, 16), f32x4.mul(f32x4.mul(rest2, g1), g1));
      v128.store(entry.mean + at, v0);
      v128.store(entry.mean + at, v1, 16);
      v128.store(entry.square + at, s0);
      v128.store(entry.square + at, s1, 16);
      const size0 = f32x4.add(f32x4.sqrt(f32x4.mul(s0, correction2)), epsilon);
      const size1 = f32x4.add(f32x4.sqrt(f32x4.mul(s1, correction2)), epsilon);
      v128.store(entry.parameter + at, multiplyAdd(rate, f32x4.div(f32x4.mul(v0, correction1), size0), p0));
      v128.store(entry.parameter + at, multiplyAdd(rate, f32x4.div(f32x4.mul(v1, correction1), size1), p1), 16);
    }
  }
  for (; at < end; at += 16) {
    const lanes = min(4, <i32>((end - at) >> 2));
    let p = loadLanes(entry.parameter + at, lanes);
    let g = loadLanes(entry.gradient + at, lanes);
    if (decoupled) p = f32x4.mul(p, keep);
    else g = multiplyAdd(decay, p, g);
    const v = multiplyAdd(beta1, loadLanes(entry.mean + at, lanes), f32x4.mul(rest1, g));
    const s = multiplyAdd(beta2, loadLanes(entry.square + at, lanes), f32x4.mul(f32x4.mul(rest2, g), g));
    storeLanes(entry.mean + at, v, lanes);
    storeLanes(entry.square + at, s, lanes);
    const size = f32x4.add(f32x4.sqrt(f32x4.mul(s, correction2)), epsilon);
    storeLanes(entry.parameter + at, multiplyAdd(rate, f32x4.div(f32x4.mul(v, correction1), size), p), lanes);
  }
}

/** Runs the job that the host has written at JOB. */
export function adamUpdate(chunks: i32, shared: bool): void {
  parallel(adamChunk, chunks, shared);
}
