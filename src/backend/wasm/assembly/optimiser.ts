/** The in-place updates of SGD and Adam. Each is one pass over its arrays. */

import { chunkElements } from "../shared/sizes";
import { loadLanes, multiplyAdd, storeLanes } from "./simd";
import { JOB, parallel } from "./team";

const CHUNK: i32 = chunkElements;

/** What the host writes for a step of SGD. Flags are 0 or 1. */
@unmanaged
export class SgdJob {
  parameter: usize;
  gradient: usize;
  /** The momentum buffer; 0 without momentum. */
  velocity: usize;
  length: i32;
  learningRate: f32;
  momentum: f32;
  weightDecay: f32;
  nesterov: i32;
  /** 1 where the momentum buffer has no value yet. */
  first: i32;
}

/** What the host writes for a step of Adam. Flags are 0 or 1. */
@unmanaged
export class AdamJob {
  parameter: usize;
  gradient: usize;
  mean: usize;
  square: usize;
  length: i32;
  learningRate: f32;
  beta1: f32;
  beta2: f32;
  /** 1 − β₁ and 1 − β₂, computed by the host in float64: 1 − 0.999 in float32 would lose four digits. */
  rest1: f32;
  rest2: f32;
  epsilon: f32;
  weightDecay: f32;
  decoupled: i32;
  /** 1/(1 − β₁ᵗ) and 1/(1 − β₂ᵗ). */
  correction1: f32;
  correction2: f32;
}

function sgdChunk(chunk: i32): void {
  const job = changetype<SgdJob>(JOB);
  const start = (<usize>(chunk * CHUNK)) << 2;
  const end = start + ((<usize>min(CHUNK, job.length - chunk * CHUNK)) << 2);
  const decay = f32x4.splat(job.weightDecay), rate = f32x4.splat(-job.learningRate), momentum = f32x4.splat(job.momentum);
  for (let at = start; at < end; at += 16) {
    const lanes = min(4, <i32>((end - at) >> 2));
    const p = loadLanes(job.parameter + at, lanes);
    let step = multiplyAdd(decay, p, loadLanes(job.gradient + at, lanes));
    if (job.velocity != 0) {
      const v = job.first ? step : multiplyAdd(momentum, loadLanes(job.velocity + at, lanes), step);
      storeLanes(job.velocity + at, v, lanes);
      step = job.nesterov ? multiplyAdd(momentum, v, step) : v;
    }
    storeLanes(job.parameter + at, multiplyAdd(rate, step, p), lanes);
  }
}

/** Runs the job that the host has written at JOB. */
export function sgdUpdate(shared: bool): void {
  parallel(sgdChunk, (changetype<SgdJob>(JOB).length + CHUNK - 1) / CHUNK, shared);
}

function adamChunk(chunk: i32): void {
  const job = changetype<AdamJob>(JOB);
  const start = (<usize>(chunk * CHUNK)) << 2;
  const end = start + ((<usize>min(CHUNK, job.length - chunk * CHUNK)) << 2);
  const decay = f32x4.splat(job.weightDecay), keep = f32x4.splat(1 - job.learningRate * job.weightDecay), rate = f32x4.splat(-job.learningRate);
  const beta1 = f32x4.splat(job.beta1), beta2 = f32x4.splat(job.beta2), epsilon = f32x4.splat(job.epsilon);
  const rest1 = f32x4.splat(job.rest1), rest2 = f32x4.splat(job.rest2);
  const correction1 = f32x4.splat(job.correction1), correction2 = f32x4.splat(job.correction2);
  for (let at = start; at < end; at += 16) {
    const lanes = min(4, <i32>((end - at) >> 2));
    let p = loadLanes(job.parameter + at, lanes);
    let g = loadLanes(job.gradient + at, lanes);
    if (job.decoupled) p = f32x4.mul(p, keep);
    else g = multiplyAdd(decay, p, g);
    const v = multiplyAdd(beta1, loadLanes(job.mean + at, lanes), f32x4.mul(rest1, g));
    const s = multiplyAdd(beta2, loadLanes(job.square + at, lanes), f32x4.mul(f32x4.mul(rest2, g), g));
    storeLanes(job.mean + at, v, lanes);
    storeLanes(job.square + at, s, lanes);
    const size = f32x4.add(f32x4.sqrt(f32x4.mul(s, correction2)), epsilon);
    storeLanes(job.parameter + at, multiplyAdd(rate, f32x4.div(f32x4.mul(v, correction1), size), p), lanes);
  }
}

/** Runs the job that the host has written at JOB. */
export function adamUpdate(shared: bool): void {
  parallel(adamChunk, (changetype<AdamJob>(JOB).length + CHUNK - 1) / CHUNK, shared);
}
