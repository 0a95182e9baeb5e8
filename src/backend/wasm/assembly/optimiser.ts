/** The updates of SGD and Adam, in place, each one pass over its arrays. */

import { loadLanes, multiplyAdd, storeLanes } from "./simd";
import { JOB, parallel } from "./team";

const CHUNK: i32 = 16384;

@unmanaged
class UpdateJob {
  p: usize;
  g: usize;
  v: usize;
  s: usize;
  length: i32;
  learningRate: f32;
  momentum: f32;
  weightDecay: f32;
  nesterov: bool;
  first: bool;
  decoupled: bool;
  beta1: f32;
  beta2: f32;
  /** 1 − β, by the host in float64: 1 − 0.999 in float32 would lose four digits. */
  rest1: f32;
  rest2: f32;
  epsilon: f32;
  /** 1/(1 − β₁ᵗ) and 1/(1 − β₂ᵗ). */
  correction1: f32;
  correction2: f32;
}

const job = changetype<UpdateJob>(JOB);

function sgdChunk(chunk: i32): void {
  const start = (<usize>(chunk * CHUNK)) << 2;
  const end = start + ((<usize>min(CHUNK, job.length - chunk * CHUNK)) << 2);
  const decay = f32x4.splat(job.weightDecay), rate = f32x4.splat(-job.learningRate), momentum = f32x4.splat(job.momentum);
  for (let at = start; at < end; at += 16) {
    const lanes = min(4, <i32>((end - at) >> 2));
    const p = loadLanes(job.p + at, lanes);
    let step = multiplyAdd(decay, p, loadLanes(job.g + at, lanes));
    if (job.v != 0) {
      const v = job.first ? step : multiplyAdd(momentum, loadLanes(job.v + at, lanes), step);
      storeLanes(job.v + at, v, lanes);
      step = job.nesterov ? multiplyAdd(momentum, v, step) : v;
    }
    storeLanes(job.p + at, multiplyAdd(rate, step, p), lanes);
  }
}

/** `v` is 0 without momentum. */
export function sgdUpdate(
  p: usize, g: usize, v: usize, length: i32, learningRate: f32, momentum: f32, nesterov: bool, weightDecay: f32, first: bool, shared: bool,
): void {
  job.p = p;
  job.g = g;
  job.v = v;
  job.length = length;
  job.learningRate = learningRate;
  job.momentum = momentum;
  job.nesterov = nesterov;
  job.weightDecay = weightDecay;
  job.first = first;
  parallel(sgdChunk, (length + CHUNK - 1) / CHUNK, shared);
}

function adamChunk(chunk: i32): void {
  const start = (<usize>(chunk * CHUNK)) << 2;
  const end = start + ((<usize>min(CHUNK, job.length - chunk * CHUNK)) << 2);
  const decay = f32x4.splat(job.weightDecay), keep = f32x4.splat(1 - job.learningRate * job.weightDecay), rate = f32x4.splat(-job.learningRate);
  const beta1 = f32x4.splat(job.beta1), beta2 = f32x4.splat(job.beta2), epsilon = f32x4.splat(job.epsilon);
  const rest1 = f32x4.splat(job.rest1), rest2 = f32x4.splat(job.rest2);
  const correction1 = f32x4.splat(job.correction1), correction2 = f32x4.splat(job.correction2);
  for (let at = start; at < end; at += 16) {
    const lanes = min(4, <i32>((end - at) >> 2));
    let p = loadLanes(job.p + at, lanes);
    let g = loadLanes(job.g + at, lanes);
    if (job.decoupled) p = f32x4.mul(p, keep);
    else g = multiplyAdd(decay, p, g);
    const v = multiplyAdd(beta1, loadLanes(job.v + at, lanes), f32x4.mul(rest1, g));
    const s = multiplyAdd(beta2, loadLanes(job.s + at, lanes), f32x4.mul(f32x4.mul(rest2, g), g));
    storeLanes(job.v + at, v, lanes);
    storeLanes(job.s + at, s, lanes);
    const size = f32x4.add(f32x4.sqrt(f32x4.mul(s, correction2)), epsilon);
    storeLanes(job.p + at, multiplyAdd(rate, f32x4.div(f32x4.mul(v, correction1), size), p), lanes);
  }
}

export function adamUpdate(
  p: usize, g: usize, v: usize, s: usize, length: i32, learningRate: f32, beta1: f32, beta2: f32, rest1: f32, rest2: f32, epsilon: f32,
  weightDecay: f32, decoupled: bool, correction1: f32, correction2: f32, shared: bool,
): void {
  job.p = p;
  job.g = g;
  job.v = v;
  job.s = s;
  job.length = length;
  job.learningRate = learningRate;
  job.beta1 = beta1;
  job.beta2 = beta2;
  job.rest1 = rest1;
  job.rest2 = rest2;
  job.epsilon = epsilon;
  job.weightDecay = weightDecay;
  job.decoupled = decoupled;
  job.correction1 = correction1;
  job.correction2 = correction2;
  parallel(adamChunk, (length + CHUNK - 1) / CHUNK, shared);
}
