/**
 * Batch normalisation, one channel to a chunk. The N rows of H·W values of a channel are read several times while they are in the
 * second-level cache. The mean is computed first, then the squares of the differences from it, because the one-pass formula E[x²] − E[x]²
 * would cancel. The pass that writes y also adds the addend and applies the activation. Where the scale and the shift of the channels are
 * given, it is the only pass.
 */

import { productSum, rowDeviations, rowMaskedProducts, rowProducts, rowSquares } from "./row-sums";
import { loadLanes, multiplyAdd, storeLanes, zero } from "./simd";
import { JOB, parallel } from "./team";

/** What the host writes. An address of 0 stands for an operand that the call does not have. */
@unmanaged
export class NormJob {
  x: usize;
  /** γ and β, or the scale and the shift where they are given. */
  gamma: usize;
  beta: usize;
  /** The statistics: written by the forward pass, read by the backward pass. 0 where the scale and the shift are given. */
  mean: usize;
  variance: usize;
  addend: usize;
  /** y, or the gradient of x. */
  out: usize;
  g: usize;
  /** The y of a forward pass with an activation; 0 without an activation. */
  activated: usize;
  /** The place for a copy of g that is 0 where the activation has slope 0. This place may be `out`. */
  masked: usize;
  gammaGradient: usize;
  betaGradient: usize;
  batch: i32;
  channels: i32;
  inner: i32;
  epsilon: f32;
  /** The activation has slope 1 where 0 < y ≤ slopeEnd. */
  slopeEnd: f32;
}

const job = changetype<NormJob>(JOB);

/** The activations, by the numbers that the host knows them by. */
const NONE = 0;
const RELU = 1;
const RELU6 = 2;

/** Byte offset of sample n's row of a channel. */
@inline
function rowOf(n: i32, channel: i32): usize {
  return ((<usize>(n * job.channels + channel)) * job.inner) << 2;
}

/** The channel's normalisation y = scale·(x − centre) + shift. Each thread has globals of its own. */
let centre: f32 = 0;
let scale: f32 = 0;
let shift: f32 = 0;

function normalisationOf(channel: i32): void {
  const slot = (<usize>channel) << 2;
  if (job.mean == 0) {
    centre = 0;
    scale = load<f32>(job.gamma + slot);
    shift = load<f32>(job.beta + slot);
    return;
  }
  const count = <f64>(job.batch * job.inner);
  // The sum is taken around a value of the channel, because a sum around 0 would lose the digits of σ where the mean is much larger than σ.
  const first = load<f32>(job.x + rowOf(0, channel));
  const pivot: f32 = first - first == 0 ? first : 0;
  let total: f64 = 0;
  for (let n = 0; n < job.batch; n++) total += rowDeviations(job.x + rowOf(n, channel), job.inner, pivot);
  const exactMean = <f64>pivot + total / count;
  const mean = <f32>exactMean;
  let squares: f64 = 0;
  for (let n = 0; n < job.batch; n++) squares += rowSquares(job.x + rowOf(n, channel), job.inner, mean);
  // The squares were taken around the mean rounded to float32. `rounding` corrects them and y for this.
  const rounding = exactMean - mean;
  const variance = max(0, squares / count - rounding * rounding);
  store<f32>(job.mean + slot, mean);
  store<f32>(job.variance + slot, <f32>variance);

  const factor = <f64>load<f32>(job.gamma + slot) / sqrt(variance + job.epsilon);
  centre = mean;
  scale = <f32>factor;
  shift = <f32>(<f64>load<f32>(job.beta + slot) - rounding * factor);
}

@inline
function activate(v: v128, activation: i32): v128 {
  if (activation == RELU) return f32x4.max(v, zero());
  if (activation == RELU6) return f32x4.min(f32x4.max(v, zero()), f32x4.splat(6));
  return v;
}

/** y = activation(scale·(x − centre) + shift + addend). The function is inlined with constants for the activation and `adds`. */
@inline
function forward(channel: i32, activation: i32, adds: bool): void {
  normalisationOf(channel);
  const a = f32x4.splat(scale), b = f32x4.splat(shift), c = f32x4.splat(centre);
  for (let n = 0; n < job.batch; n++) {
    const row = rowOf(n, channel);
    let x = job.x + row, y = job.out + row, addend = job.addend + row;
    const end = x + ((<usize>(job.inner & ~3)) << 2);
    if (WIDE) {
      for (const pairs = x + ((<usize>(job.inner & ~7)) << 2); x < pairs; x += 32, y += 32, addend += 32) {
        let low = multiplyAdd(f32x4.sub(v128.load(x), c), a, b), high = multiplyAdd(f32x4.sub(v128.load(x, 16), c), a, b);
        if (adds) {
          low = f32x4.add(low, v128.load(addend));
          high = f32x4.add(high, v128.load(addend, 16));
        }
        low = activate(low, activation);
        high = activate(high, activation);
        v128.store(y, low);
        v128.store(y, high, 16);
      }
    }
    for (; x < end; x += 16, y += 16, addend += 16) {
      let v = multiplyAdd(f32x4.sub(v128.load(x), c), a, b);
      if (adds) v = f32x4.add(v, v128.load(addend));
      v128.store(y, activate(v, activation));
    }
    const rest = job.inner & 3;
    if (rest > 0) {
      let v = multiplyAdd(f32x4.sub(loadLanes(x, rest), c), a, b);
      if (adds) v = f32x4.add(v, loadLanes(addend, rest));
      storeLanes(y, activate(v, activation), rest);
    }
  }
}

// There is one function per epilogue, as in elementwise.ts.
function plain(i: i32): void { forward(i, NONE, false); }
function relu(i: i32): void { forward(i, RELU, false); }
function relu6(i: i32): void { forward(i, RELU6, false); }
function added(i: i32): void { forward(i, NONE, true); }
function addedRelu(i: i32): void { forward(i, RELU, true); }
function addedRelu6(i: i32): void { forward(i, RELU6, true); }

function forwardOf(activation: i32, adds: bool): (channel: i32) => void {
  if (activation == RELU) return adds ? addedRelu : relu;
  if (activation == RELU6) return adds ? addedRelu6 : relu6;
  return adds ? added : plain;
}

/** Runs the NormJob that the host has written at JOB. */
export function normalise(activation: i32, shared: bool): void {
  parallel(forwardOf(activation, job.addend != 0), job.channels, shared);
}

/**
 * The gradients of a channel of m values, with r = (σ² + ε)^−½ and ḡ = g where the activation has slope 1, else 0:
 * β̄ = Σ ḡ, γ̄ = r·Σ ḡ·(x − μ), x̄ = γr·(ḡ − β̄/m − (x − μ)·r·γ̄/m).
 */
function backwardChannel(channel: i32): void {
  const count = <f64>(job.batch * job.inner);
  const slot = (<usize>channel) << 2;
  const mean = load<f32>(job.mean + slot);
  const r = 1 / sqrt(<f64>load<f32>(job.variance + slot) + job.epsilon);
  let sum: f64 = 0, products: f64 = 0;
  for (let n = 0; n < job.batch; n++) {
    const row = rowOf(n, channel);
    if (job.activated == 0) sum += rowProducts(job.x + row, job.g + row, job.inner, mean);
    else sum += rowMaskedProducts(job.x + row, job.g + row, job.activated + row, job.masked + row, job.inner, mean, job.slopeEnd);
    products += productSum;
  }
  store<f32>(job.betaGradient + slot, <f32>sum);
  store<f32>(job.gammaGradient + slot, <f32>(products * r));

  // x̄ = a·ḡ + b·(x − μ) + c
  const cotangent = job.activated == 0 ? job.g : job.masked;
  const factor = <f64>load<f32>(job.gamma + slot) * r;
  const a = f32x4.splat(<f32>factor);
  const b = f32x4.splat(<f32>((-factor * r * r * products) / count));
  const c = f32x4.splat(<f32>((-factor * sum) / count));
  const mu = f32x4.splat(mean);
  for (let n = 0; n < job.batch; n++) {
    const row = rowOf(n, channel);
    let x = job.x + row, g = cotangent + row, out = job.out + row;
    const end = x + ((<usize>(job.inner & ~3)) << 2);
    if (WIDE) {
      for (const pairs = x + ((<usize>(job.inner & ~7)) << 2); x < pairs; x += 32, g += 32, out += 32) {
        const low = multiplyAdd(b, f32x4.sub(v128.load(x), mu), c), high = multiplyAdd(b, f32x4.sub(v128.load(x, 16), mu), c);
        const low2 = multiplyAdd(a, v128.load(g), low), high2 = multiplyAdd(a, v128.load(g, 16), high);
        v128.store(out, low2);
        v128.store(out, high2, 16);
      }
    }
    for (; x < end; x += 16, g += 16, out += 16)
      v128.store(out, multiplyAdd(a, v128.load(g), multiplyAdd(b, f32x4.sub(v128.load(x), mu), c)));
    const rest = job.inner & 3;
    if (rest > 0) storeLanes(out, multiplyAdd(a, loadLanes(g, rest), multiplyAdd(b, f32x4.sub(loadLanes(x, rest), mu), c)), rest);
  }
}

/** Runs the NormJob that the host has written at JOB. */
export function normaliseGradient(shared: bool): void {
  parallel(backwardChannel, job.channels, shared);
}
