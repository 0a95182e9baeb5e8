/**
 * gw[o, t] = Σ over images and pixels p of g[o, p] · x[p + offset(t)]: many dot products of contiguous rows.
 *
 * The tile is 4 output channels × 2 taps, which is eight sums of four lanes. Each step along the pixels takes 4 loads of g and 2 of x for 8
 * multiply-adds, and needs no broadcast and no packing. Lanes are added up once per group of images, so that this addition costs little for
 * small images (8×8 is 16 vectors).
 *
 * A chunk takes a range of images and of output channels and writes its own partial gw. The partial sums are then added in the order of
 * the chunks. The ranges depend on the shape alone, so the result does not depend on the threads.
 */

import { Planes, channelBytes, copyPlanes } from "./conv-planes";
import { laneSum, multiplyAdd, zero } from "./simd";
import { JOB, parallel, thread } from "./team";

/** What the host writes. Distances are in bytes. */
@unmanaged
export class WeightGradientJob {
  planes: Planes;
  x: usize;
  xImage: usize;
  g: usize;
  gImage: usize;
  /** [range of images][group][O/groups][taps] */
  partial: usize;
  partialBytes: usize;
  groups: i32;
  channels: i32;
  outChannels: i32;
  taps: i32;
  offsets: usize;
  rows: i32;
  columns: i32;
  extraRows: i32;
  images: i32;
  imagesPerRange: i32;
  imagesAtOnce: i32;
  /** Blocks of 4 output channels that one chunk takes, and how many chunks share a range of images. */
  blocksPerSplit: i32;
  splits: i32;
  /** Byte offset of each vector of output pixels in a plane, where rows are whole vectors; else no list (count 0). */
  vectors: usize;
  vectorCount: i32;
  scratch: usize;
  scratchBytes: usize;
}

/** Runs the job that the host has written at `description`. */
export function weightGradient(description: usize, ranges: i32, shared: bool): void {
  store<usize>(JOB, description);
  parallel(range, ranges * changetype<WeightGradientJob>(description).splits, shared);
}

function range(index: i32): void {
  const job = changetype<WeightGradientJob>(load<usize>(JOB));
  const planes = job.planes;
  const scratch = job.scratch + thread() * job.scratchBytes;
  const partial = job.partial + (index / job.splits) * job.partialBytes;
  const firstImage = (index / job.splits) * job.imagesPerRange;
  const endImage = min(job.images, firstImage + job.imagesPerRange);
  const firstOut = (index % job.splits) * job.blocksPerSplit * 4;
  const endOut = min(job.outChannels, firstOut + job.blocksPerSplit * 4);
  const planeRows = job.rows + job.extraRows;
  const copyBytes = channelBytes(planes, planeRows) * job.channels;
  const planeG = (<usize>(job.rows * job.columns)) << 2;
  const xGroup = (<usize>(job.channels * planes.height * planes.width)) << 2;
  const rowTaps = (<usize>job.taps) << 2;

  for (let group = 0; group < job.groups; group++) {
    const gw = partial + group * job.outChannels * rowTaps;
    for (let image = firstImage; image < endImage; image += job.imagesAtOnce) {
      const count = min(job.imagesAtOnce, endImage - image);
      const source = job.x + image * job.xImage + group * xGroup;
      if (!planes.direct)
        for (let i = 0; i < count; i++) copyPlanes(planes, source + i * job.xImage, job.channels, 0, planeRows, scratch + i * copyBytes);
      const pixels = planes.direct ? source : scratch;
      const imageStep = planes.direct ? job.xImage : copyBytes;
      const add = image > firstImage;
      for (let o = firstOut; o < endOut; o += 4) {
        const g = job.g + image * job.gImage + (group * job.outChannels + o) * planeG;
        const valid = min(4, endOut - o);
        const second = min(valid - 1, 1) * planeG, third = min(valid - 1, 2) * planeG, fourth = min(valid - 1, 3) * planeG;
        const to = gw + o * rowTaps;
        for (let t = 0; t < job.taps; t += 2) {
          if (job.vectorCount) vectorDots(job, g, second, third, fourth, pixels, imageStep, count, t, to, valid, add);
          else rowDots(job, g, second, third, fourth, pixels, imageStep, count, t, to, valid, add);
        }
      }
    }
  }
}

/**
 * gw of up to 4 channels × taps t, t + 1, for planes whose rows are whole vectors: one loop over a list of vectors, because rows of two
 * or four vectors are too short to be loops of their own. Channels that do not exist repeat one that does, and are not stored.
 */
function vectorDots(
  job: WeightGradientJob, g: usize, second: usize, third: usize, fourth: usize, pixels: usize, imageStep: usize, images: i32,
  t: i32, gw: usize, valid: i32, add: bool,
): void {
  const pair = t + 1 < job.taps;
  const tap0 = load<usize>(job.offsets + ((<usize>t) << 2));
  const tap1 = pair ? load<usize>(job.offsets + ((<usize>t) << 2), 4) : tap0;
  let s00 = zero(), s01 = zero(), s10 = zero(), s11 = zero();
  let s20 = zero(), s21 = zero(), s30 = zero(), s31 = zero();
  const bytes = (<usize>job.vectorCount) << 4;
  const vectors = job.vectors;
  const gImage = job.gImage;
  for (let i = 0; i < images; i++) {
    const plane0 = pixels + tap0, plane1 = pixels + tap1;
    let at = g, list = vectors;
    const end = g + bytes;
    while (at < end) {
      const offset = load<usize>(list);
      const a = v128.load(plane0 + offset), b = v128.load(plane1 + offset);
      const g0 = v128.load(at), g1 = v128.load(at + second), g2 = v128.load(at + third), g3 = v128.load(at + fourth);
      s00 = multiplyAdd(g0, a, s00);
      s01 = multiplyAdd(g0, b, s01);
      s10 = multiplyAdd(g1, a, s10);
      s11 = multiplyAdd(g1, b, s11);
      s20 = multiplyAdd(g2, a, s20);
      s21 = multiplyAdd(g2, b, s21);
      s30 = multiplyAdd(g3, a, s30);
      s31 = multiplyAdd(g3, b, s31);
      list += 4;
      at += 16;
    }
    pixels += imageStep;
    g += gImage;
  }
  putAll(gw + ((<usize>t) << 2), (<usize>job.taps) << 2, s00, s01, s10, s11, s20, s21, s30, s31, valid, pair, add);
}

/** The same sums for rows that end inside a vector. */
function rowDots(
  job: WeightGradientJob, g: usize, second: usize, third: usize, fourth: usize, pixels: usize, imageStep: usize, images: i32,
  t: i32, gw: usize, valid: i32, add: bool,
): void {
  const pair = t + 1 < job.taps;
  const tap0 = load<usize>(job.offsets + ((<usize>t) << 2));
  const tap1 = pair ? load<usize>(job.offsets + ((<usize>t) << 2), 4) : tap0;
  const pitch = (<usize>job.planes.pitch) << 2;
  const rows = job.rows;
  const whole = (<usize>(job.columns >> 2)) << 4;
  const rest = job.columns & 3;
  const restBytes = (<usize>rest) << 2;
  const mask = i32x4.gt_s(i32x4.splat(rest), i32x4(0, 1, 2, 3));
  let s00 = zero(), s01 = zero(), s10 = zero(), s11 = zero();
  let s20 = zero(), s21 = zero(), s30 = zero(), s31 = zero();
  for (let i = 0; i < images; i++) {
    let row0 = pixels + tap0, row1 = pixels + tap1;
    let at = g;
    for (let r = 0; r < rows; r++) {
      let x0 = row0, x1 = row1;
      const end = x0 + whole;
      while (x0 < end) {
        const a = v128.load(x0), b = v128.load(x1);
        const g0 = v128.load(at), g1 = v128.load(at + second), g2 = v128.load(at + third), g3 = v128.load(at + fourth);
        s00 = multiplyAdd(g0, a, s00);
        s01 = multiplyAdd(g0, b, s01);
        s10 = multiplyAdd(g1, a, s10);
        s11 = multiplyAdd(g1, b, s11);
        s20 = multiplyAdd(g2, a, s20);
        s21 = multiplyAdd(g2, b, s21);
        s30 = multiplyAdd(g3, a, s30);
        s31 = multiplyAdd(g3, b, s31);
        x0 += 16;
        x1 += 16;
        at += 16;
      }
      if (rest) {
        // Both factors are masked, because a NaN behind the end of the row times zero would still be NaN.
        const a = v128.and(v128.load(x0), mask), b = v128.and(v128.load(x1), mask);
        const g0 = v128.and(v128.load(at), mask), g1 = v128.and(v128.load(at + second), mask);
        const g2 = v128.and(v128.load(at + third), mask), g3 = v128.and(v128.load(at + fourth), mask);
        s00 = multiplyAdd(g0, a, s00);
        s01 = multiplyAdd(g0, b, s01);
        s10 = multiplyAdd(g1, a, s10);
        s11 = multiplyAdd(g1, b, s11);
        s20 = multiplyAdd(g2, a, s20);
        s21 = multiplyAdd(g2, b, s21);
        s30 = multiplyAdd(g3, a, s30);
        s31 = multiplyAdd(g3, b, s31);
        at += restBytes;
      }
      row0 += pitch;
      row1 += pitch;
    }
    pixels += imageStep;
    g += job.gImage;
  }
  putAll(gw + ((<usize>t) << 2), (<usize>job.taps) << 2, s00, s01, s10, s11, s20, s21, s30, s31, valid, pair, add);
}

@inline
function putAll(
  gw: usize, rowTaps: usize, s00: v128, s01: v128, s10: v128, s11: v128, s20: v128, s21: v128, s30: v128, s31: v128,
  valid: i32, pair: bool, add: bool,
): void {
  put(gw, s00, s01, pair, add);
  if (valid > 1) put(gw + rowTaps, s10, s11, pair, add);
  if (valid > 2) put(gw + rowTaps * 2, s20, s21, pair, add);
  if (valid > 3) put(gw + rowTaps * 3, s30, s31, pair, add);
}

@inline
function put(at: usize, first: v128, second: v128, pair: bool, add: bool): void {
  store<f32>(at, (add ? load<f32>(at) : 0) + laneSum(first));
  if (pair) store<f32>(at, (add ? load<f32>(at, 4) : 0) + laneSum(second), 4);
}

@unmanaged
class PartialsJob {
  partial: usize;
  parts: i32;
  length: i32;
  target: usize;
}

/** target[i] = Σ over parts of partial[part][i], in the order of the parts: 1024 elements to a chunk. */
export function addPartials(partial: usize, parts: i32, length: i32, target: usize, shared: bool): void {
  const job = changetype<PartialsJob>(JOB);
  job.partial = partial;
  job.parts = parts;
  job.length = length;
  job.target = target;
  parallel(addSlice, (length + 1023) / 1024, shared);
}

function addSlice(index: i32): void {
  const job = changetype<PartialsJob>(JOB);
  const parts = job.parts, length = job.length;
  const step = (<usize>length) << 2;
  const from = job.partial + ((<usize>index) << 12);
  const to = job.target + ((<usize>index) << 12);
  const count = min(1024, length - (index << 10));
  let i = 0;
  for (; i + 4 <= count; i += 4) {
    let at = from + ((<usize>i) << 2);
    let sum = v128.load(at);
    for (let p = 1; p < parts; p++) sum = f32x4.add(sum, v128.load((at += step)));
    v128.store(to + ((<usize>i) << 2), sum);
  }
  for (; i < count; i++) {
    let at = from + ((<usize>i) << 2);
    let sum = load<f32>(at);
    for (let p = 1; p < parts; p++) sum += load<f32>((at += step));
    store<f32>(to + ((<usize>i) << 2), sum);
  }
}
