/**
 * Batch normalisation, one channel to a chunk. The N rows of H·W values of a channel are read several times while they are in the
 * second-level cache. The mean is computed first, then the squares of the differences from it, because the one-pass formula E[x²] − E[x]²
 * would cancel.
 */

import { loadLanes, multiplyAdd, storeLanes } from "./simd";
import { productSum, rowDeviations, rowProducts, rowSquares } from "./row-sums";
import { JOB, parallel } from "./team";

@unmanaged
class NormJob {
  x: usize;
  g: usize;
  gamma: usize;
  beta: usize;
  mean: usize;
  variance: usize;
  out: usize;
  gammaGradient: usize;
  betaGradient: usize;
  batch: i32;
  channels: i32;
  inner: i32;
  epsilon: f64;
}

const job = changetype<NormJob>(JOB);

/** Byte offset of sample n's row of a channel. */
@inline
function rowOf(n: i32, channel: i32): usize {
  return ((<usize>(n * job.channels + channel)) * job.inner) << 2;
}

function forwardChannel(channel: i32): void {
  const count = <f64>(job.batch * job.inner);
  const slot = (<usize>channel) << 2;
  // The sum is taken around a value of the channel, because a sum around 0 would lose the digits of σ where the mean is much larger than σ.
  const first = load<f32>(job.x + rowOf(0, channel));
  const pivot: f32 = first - first == 0 ? first : 0;
  let total: f64 = 0;
  for (let n = 0; n < job.batch; n++) total += rowDeviations(job.x + rowOf(n, channel), job.inner, pivot);
  const exactMean = <f64>pivot + total / count;
  const mean = <f32>exactMean;
  let squares: f64 = 0;
  for (let n = 0; n < job.batch; n++) squares += rowSquares(job.x + rowOf(n, channel), job.inner, mean);
  // The squares were taken around the mean rounded to float32. `shift` corrects them and y for the rounding.
  const shift = exactMean - mean;
  const variance = max(0, squares / count - shift * shift);
  store<f32>(job.mean + slot, mean);
  store<f32>(job.variance + slot, <f32>variance);

  const scale = <f64>load<f32>(job.gamma + slot) / sqrt(variance + job.epsilon);
  const a = f32x4.splat(<f32>scale);
  const centre = f32x4.splat(mean);
  const b = f32x4.splat(<f32>(<f64>load<f32>(job.beta + slot) - shift * scale));
  for (let n = 0; n < job.batch; n++) {
    const row = rowOf(n, channel);
    let x = job.x + row, y = job.out + row;
    const end = x + ((<usize>(job.inner & ~3)) << 2);
    if (WIDE) {
      for (const pairs = x + ((<usize>(job.inner & ~7)) << 2); x < pairs; x += 32, y += 32) {
        const low = f32x4.sub(v128.load(x), centre), high = f32x4.sub(v128.load(x, 16), centre);
        v128.store(y, multiplyAdd(low, a, b));
        v128.store(y, multiplyAdd(high, a, b), 16);
      }
    }
    for (; x < end; x += 16, y += 16) v128.store(y, multiplyAdd(f32x4.sub(v128.load(x), centre), a, b));
    const rest = job.inner & 3;
    if (rest > 0) storeLanes(y, multiplyAdd(f32x4.sub(loadLanes(x, rest), centre), a, b), rest);
  }
}

export function batchNorm(
  x: usize, gamma: usize, beta: usize, y: usize, mean: usize, variance: usize, batch: i32, channels: i32, inner: i32, epsilon: f64, shared: bool,
): void {
  job.x = x;
  job.gamma = gamma;
  job.beta = beta;
  job.out = y;
  job.mean = mean;
  job.variance = variance;
  job.batch = batch;
  job.channels = channels;
  job.inner = inner;
  job.epsilon = epsilon;
  parallel(forwardChannel, channels, shared);
}

/** With r = (σ² + ε)^−½: β̄ = Σ g, γ̄ = r·Σ g·(x − μ), x̄ = γr·(g − β̄/m − (x − μ)·r·γ̄/m), m values to a channel. */
function backwardChannel(channel: i32): void {
  const count = <f64>(job.batch * job.inner);
  const slot = (<usize>channel) << 2;
  const mean = load<f32>(job.mean + slot);
  const r = 1 / sqrt(<f64>load<f32>(job.variance + slot) + job.epsilon);
  let sum: f64 = 0, products: f64 = 0;
  for (let n = 0; n < job.batch; n++) {
    const row = rowOf(n, channel);
    sum += rowProducts(job.x + row, job.g + row, job.inner, mean);
    products += productSum;
  }
  store<f32>(job.betaGradient + slot, <f32>sum);
  store<f32>(job.gammaGradient + slot, <f32>(products * r));

  // x̄ = a·g + b·(x − μ) + c
  const scale = <f64>load<f32>(job.gamma + slot) * r;
  const a = f32x4.splat(<f32>scale);
  const b = f32x4.splat(<f32>((-scale * r * r * products) / count));
  const c = f32x4.splat(<f32>((-scale * sum) / count));
  const centre = f32x4.splat(mean);
  for (let n = 0; n < job.batch; n++) {
    const row = rowOf(n, channel);
    let x = job.x + row, g = job.g + row, out = job.out + row;
    const end = x + ((<usize>(job.inner & ~3)) << 2);
    if (WIDE) {
      for (const pairs = x + ((<usize>(job.inner & ~7)) << 2); x < pairs; x += 32, g += 32, out += 32) {
        const low = multiplyAdd(b, f32x4.sub(v128.load(x), centre), c), high = multiplyAdd(b, f32x4.sub(v128.load(x, 16), centre), c);
        v128.store(out, multiplyAdd(a, v128.load(g), low));
        v128.store(out, multiplyAdd(a, v128.load(g, 16), high), 16);
      }
    }
    for (; x < end; x += 16, g += 16, out += 16)
      v128.store(out, multiplyAdd(a, v128.load(g), multiplyAdd(b, f32x4.sub(v128.load(x), centre), c)));
    const rest = job.inner & 3;
    if (rest > 0) storeLanes(out, multiplyAdd(a, loadLanes(g, rest), multiplyAdd(b, f32x4.sub(loadLanes(x, rest), centre), c)), rest);
  }
}

export function batchNormGradient(
  x: usize, gamma: usize, mean: usize, variance: usize, g: usize, out: usize, gammaGradient: usize, betaGradient: usize,
  batch: i32, channels: i32, inner: i32, epsilon: f64, shared: bool,
): void {
  job.x = x;
  job.gamma = gamma;
  job.mean = mean;
  job.variance = variance;
  job.g = g;
  job.out = out;
  job.gammaGradient = gammaGradient;
  job.betaGradient = betaGradient;
  job.batch = batch;
  job.channels = channels;
  job.inner = inner;
  job.epsilon = epsilon;
  parallel(backwardChannel, channels, shared);
}
