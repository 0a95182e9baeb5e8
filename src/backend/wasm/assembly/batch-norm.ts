/**
 * Batch normalisation. A row is one channel of one image: inner = H·W values, and row r = n·C + c has channel c. Two passes go over the
 * rows: the first takes each row's sums, and the second writes its results. In between, the sums of a channel are combined in the order of
 * the images, and give the channel's coefficients. So the bits do not depend on the order in which the rows are visited.
 *
 * On a team a chunk is a range of rows, that is, of images, because convolutions take ranges of images: each thread finds most of its rows
 * in its own cache. On one thread a chunk is one channel, whose rows are still in the second-level cache when they are read again.
 *
 * A row's mean is computed first, then the squares of the differences from it, because the one-pass formula E[x²] − E[x]² would cancel.
 * The pass that writes y also adds the addend and applies the activation. Where the scale and the shift of the channels are given, it is
 * the only pass.
 */

import { NONE, RELU, RELU6, activate } from "./normalise-row";
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
  /** y, or the gradient of x. 0 where only the statistics are wanted. */
  out: usize;
  g: usize;
  /** The y of a forward pass with an activation; 0 without an activation. */
  activated: usize;
  /** The place for a copy of g that is 0 where the activation has slope 0. This place may be `out`. */
  masked: usize;
  gammaGradient: usize;
  betaGradient: usize;
  /** [row] of two float64. */
  sums: usize;
  /** [channel] of four float32. Forward: scale, shift, centre. Backward: a, b, c, μ. */
  coefficients: usize;
  batch: i32;
  channels: i32;
  inner: i32;
  /** Rows that a chunk takes; 0 where a chunk is a channel. */
  rowsPerChunk: i32;
  /** 1 where the sums of ḡ and the masked cotangent ḡ are there already, as separable-gradient.ts leaves them. */
  summed: i32;
  /** 0 is none, 1 is relu, 2 is relu6. */
  activation: i32;
  epsilon: f32;
  /** The activation has slope 1 where 0 < y ≤ slopeEnd. */
  slopeEnd: f32;
}

const job = changetype<NormJob>(JOB);

/** The team combines the sums of more rows than this; the caller alone combines fewer. */
const FEW_ROWS = 8192;

@inline
function rows(): i32 {
  return job.batch * job.channels;
}

/** The bytes before a row. */
@inline
function offsetOf(row: i32): usize {
  return ((<usize>row) * job.inner) << 2;
}

/** Where the two sums of a row are. */
@inline
function sumsOf(row: i32): usize {
  return job.sums + ((<usize>row) << 4);
}

@inline
function coefficientsOf(channel: i32): usize {
  return job.coefficients + ((<usize>channel) << 4);
}

@inline
function endOf(chunk: i32): i32 {
  return min(rows(), (chunk + 1) * job.rowsPerChunk);
}

/** Runs both passes and the combination between them: by ranges of rows, or channel by channel. */
@inline
function passes(sum: (i: i32) => void, combine: (c: i32) => void, write: (i: i32) => void, channel: (c: i32) => void, shared: bool): void {
  if (job.rowsPerChunk == 0) {
    parallel(channel, job.channels, shared);
    return;
  }
  const chunks = (rows() + job.rowsPerChunk - 1) / job.rowsPerChunk;
  parallel(sum, chunks, shared);
  parallel(combine, job.channels, shared && rows() > FEW_ROWS);
  if (job.out != 0) parallel(write, chunks, shared);
}

/**
 * The mean of each row, and then Σ (x − mean)². Each has a loop of its own, because the squares of a short row would wait for its mean. The
 * rows of a chunk are still in a cache for the second loop.
 */
@inline
function sumMoments(first: i32, end: i32, step: i32): void {
  if (job.mean == 0) return;
  const share = 1 / <f64>job.inner;
  for (let row = first; row < end; row += step) {
    const x = job.x + offsetOf(row);
    // The sum is taken around a value of the row, because a sum around 0 would lose the digits of σ where the mean is much larger than σ.
    const value = load<f32>(x);
    const pivot: f32 = value - value == 0 ? value : 0;
    store<f64>(sumsOf(row), <f64>pivot + rowDeviations(x, job.inner, pivot) * share);
  }
  for (let row = first; row < end; row += step) {
    const sums = sumsOf(row);
    const mean = load<f64>(sums);
    // The squares are taken around the mean rounded to float32. `rounding` corrects them for this.
    const centre = <f32>mean;
    const rounding = mean - centre;
    store<f64>(sums, rowSquares(job.x + offsetOf(row), job.inner, centre) - job.inner * rounding * rounding, 8);
  }
}

/** The mean and the variance of a channel, and its normalisation y = scale·(x − centre) + shift. */
function combineMoments(channel: i32): void {
  const slot = (<usize>channel) << 2;
  const coefficients = coefficientsOf(channel);
  if (job.mean == 0) {
    store<f32>(coefficients, load<f32>(job.gamma + slot));
    store<f32>(coefficients, load<f32>(job.beta + slot), 4);
    store<f32>(coefficients, 0, 8);
    return;
  }
  const first = sumsOf(channel), end = sumsOf(rows()), step = (<usize>job.channels) << 4;
  let means: f64 = 0;
  for (let sums = first; sums < end; sums += step) means += load<f64>(sums);
  const exactMean = means / job.batch;
  // Σ (x − μ)² over a row is its Σ (x − mean)² + inner·(mean − μ)².
  let within: f64 = 0, between: f64 = 0;
  for (let sums = first; sums < end; sums += step) {
    const distance = load<f64>(sums) - exactMean;
    within += load<f64>(sums, 8);
    between += distance * distance;
  }
  const variance = max(0, (within / job.inner + between) / job.batch);
  const mean = <f32>exactMean;
  store<f32>(job.mean + slot, mean);
  store<f32>(job.variance + slot, <f32>variance);

  const factor = <f64>load<f32>(job.gamma + slot) / sqrt(variance + job.epsilon);
  store<f32>(coefficients, <f32>factor);
  store<f32>(coefficients, <f32>(<f64>load<f32>(job.beta + slot) - (exactMean - mean) * factor), 4);
  store<f32>(coefficients, mean, 8);
}

/**
 * y = activation(scale·(x − centre) + shift + addend). The function is inlined with constants for the activation and `adds`. The loop stands
 * here, and not in `normaliseRow`, because the engine joins no pairs of it when it is inlined twice over: a norm then takes 1.7 times as long.
 */
@inline
function writeEach(first: i32, end: i32, step: i32, activation: i32, adds: bool): void {
  for (let r = first; r < end; r += step) {
    const coefficients = coefficientsOf(r % job.channels);
    const a = v128.load32_splat(coefficients), b = v128.load32_splat(coefficients, 4), c = v128.load32_splat(coefficients, 8);
    const row = offsetOf(r);
    let x = job.x + row, y = job.out + row, addend = job.addend + row;
    const last = x + ((<usize>(job.inner & ~3)) << 2);
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
    for (; x < last; x += 16, y += 16, addend += 16) {
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

function writeNormalised(first: i32, end: i32, step: i32): void {
  if (job.out == 0) return;
  const adds = job.addend != 0;
  if (job.activation == RELU) {
    if (adds) writeEach(first, end, step, RELU, true);
    else writeEach(first, end, step, RELU, false);
  } else if (job.activation == RELU6) {
    if (adds) writeEach(first, end, step, RELU6, true);
    else writeEach(first, end, step, RELU6, false);
  } else if (adds) writeEach(first, end, step, NONE, true);
  else writeEach(first, end, step, NONE, false);
}

function momentsChunk(chunk: i32): void {
  sumMoments(chunk * job.rowsPerChunk, endOf(chunk), 1);
}

function normalisedChunk(chunk: i32): void {
  writeNormalised(chunk * job.rowsPerChunk, endOf(chunk), 1);
}

function normaliseChannel(channel: i32): void {
  sumMoments(channel, rows(), job.channels);
  combineMoments(channel);
  writeNormalised(channel, rows(), job.channels);
}

/** Runs the NormJob that the host has written at JOB. */
export function normalise(shared: bool): void {
  passes(momentsChunk, combineMoments, normalisedChunk, normaliseChannel, shared);
}

/**
 * The coefficients of channels whose statistics were taken before. A forward pass and its gradient both use these, so that they agree on the
 * pixels that the activation lets through.
 */
export function givenCoefficients(): void {
  for (let channel = 0; channel < job.channels; channel++) {
    const slot = (<usize>channel) << 2;
    const coefficients = coefficientsOf(channel);
    const deviation = sqrt(<f64>load<f32>(job.variance + slot) + job.epsilon);
    store<f32>(coefficients, <f32>(<f64>load<f32>(job.gamma + slot) / deviation));
    store<f32>(coefficients, load<f32>(job.beta + slot), 4);
    store<f32>(coefficients, load<f32>(job.mean + slot), 8);
  }
}

/** Σ ḡ and Σ ḡ·(x − μ) of each row, with ḡ = g where the activation has slope 1, else 0. */
@inline
function sumProducts(first: i32, end: i32, step: i32): void {
  if (job.summed) return;
  for (let r = first; r < end; r += step) {
    const channel = r % job.channels;
    const mean = load<f32>(job.mean + ((<usize>channel) << 2));
    const row = offsetOf(r);
    const sums = sumsOf(r);
    const sum =
      job.activated == 0
        ? rowProducts(job.x + row, job.g + row, job.inner, mean)
        : rowMaskedProducts(job.x + row, job.g + row, job.activated + row, job.masked + row, job.inner, mean, job.slopeEnd);
    store<f64>(sums, sum);
    store<f64>(sums, productSum, 8);
  }
}

/**
 * The gradients of a channel of m values, with r = (σ² + ε)^−½: β̄ = Σ ḡ, γ̄ = r·Σ ḡ·(x − μ), and x̄ = γr·(ḡ − β̄/m − (x − μ)·r·γ̄/m), which
 * is a·ḡ + b·(x − μ) + c.
 */
function combineProducts(channel: i32): void {
  const count = <f64>(job.batch * job.inner);
  const slot = (<usize>channel) << 2;
  const r = 1 / sqrt(<f64>load<f32>(job.variance + slot) + job.epsilon);
  const end = sumsOf(rows()), step = (<usize>job.channels) << 4;
  let sum: f64 = 0, products: f64 = 0;
  for (let sums = sumsOf(channel); sums < end; sums += step) {
    sum += load<f64>(sums);
    products += load<f64>(sums, 8);
  }
  store<f32>(job.betaGradient + slot, <f32>sum);
  store<f32>(job.gammaGradient + slot, <f32>(products * r));

  const factor = <f64>load<f32>(job.gamma + slot) * r;
  const coefficients = coefficientsOf(channel);
  store<f32>(coefficients, <f32>factor);
  store<f32>(coefficients, <f32>((-factor * r * r * products) / count), 4);
  store<f32>(coefficients, <f32>((-factor * sum) / count), 8);
  store<f32>(coefficients, load<f32>(job.mean + slot), 12);
}

@inline
function writeGradient(first: i32, end: i32, step: i32): void {
  const cotangent = job.activated == 0 ? job.g : job.masked;
  for (let r = first; r < end; r += step) {
    const coefficients = coefficientsOf(r % job.channels);
    const a = v128.load32_splat(coefficients), b = v128.load32_splat(coefficients, 4), c = v128.load32_splat(coefficients, 8);
    const mu = v128.load32_splat(coefficients, 12);
    const row = offsetOf(r);
    let x = job.x + row, g = cotangent + row, out = job.out + row;
    const last = x + ((<usize>(job.inner & ~3)) << 2);
    if (WIDE) {
      for (const pairs = x + ((<usize>(job.inner & ~7)) << 2); x < pairs; x += 32, g += 32, out += 32) {
        const low = multiplyAdd(b, f32x4.sub(v128.load(x), mu), c), high = multiplyAdd(b, f32x4.sub(v128.load(x, 16), mu), c);
        const low2 = multiplyAdd(a, v128.load(g), low), high2 = multiplyAdd(a, v128.load(g, 16), high);
        v128.store(out, low2);
        v128.store(out, high2, 16);
      }
    }
    for (; x < last; x += 16, g += 16, out += 16)
      v128.store(out, multiplyAdd(a, v128.load(g), multiplyAdd(b, f32x4.sub(v128.load(x), mu), c)));
    const rest = job.inner & 3;
    if (rest > 0) storeLanes(out, multiplyAdd(a, loadLanes(g, rest), multiplyAdd(b, f32x4.sub(loadLanes(x, rest), mu), c)), rest);
  }
}

function productsChunk(chunk: i32): void {
  sumProducts(chunk * job.rowsPerChunk, endOf(chunk), 1);
}

function gradientChunk(chunk: i32): void {
  writeGradient(chunk * job.rowsPerChunk, endOf(chunk), 1);
}

function channelGradient(channel: i32): void {
  sumProducts(channel, rows(), job.channels);
  combineProducts(channel);
  writeGradient(channel, rows(), job.channels);
}

/** Runs the NormJob that the host has written at JOB. */
export function normaliseGradient(shared: bool): void {
  passes(productsChunk, combineProducts, gradientChunk, channelGradient, shared);
}
