/**
 * gw[o, t] = Σ over images and pixels p of g[o, p] · x[p + offset(t)]: many dot products of contiguous rows.
 *
 * The tile is 4 output channels × 2 taps (tiles.mjs). Lanes are added up once per group of images, so that this addition costs little for
 * small images (8×8 is 16 vectors).
 *
 * A chunk takes a range of images and of output channels and writes its own partial gw. The partial sums are then added in the order of
 * the chunks. The ranges depend on the shape alone, so the result does not depend on the threads.
 */

import { Planes, channelBytes, copyPlanes } from "./conv-planes";
import { dotsOfRows, dotsOfRuns, dotsOfVectors } from "./conv-dots";
import { laneSum } from "./simd";
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
  /** Pixels of a run: 4, or as many as a tile of this build takes. */
  run: i32;
  /** Byte offset of each run of output pixels in a plane, where rows are whole runs; else no list (count 0). */
  runs: usize;
  runCount: i32;
  scratch: usize;
  scratchBytes: usize;
}

/** Runs the job that the host has written at `description`. */
export function weightGradient(description: usize, ranges: i32, shared: bool): void {
  store<usize>(JOB, description);
  parallel(range, ranges * changetype<WeightGradientJob>(description).splits, shared);
}

/** Room for the eight sums of a tile, whose lanes are still apart. */
const sumsBytes: usize = 32 * CONV_RUN;

function range(index: i32): void {
  const job = changetype<WeightGradientJob>(load<usize>(JOB));
  const planes = job.planes;
  const sums = job.scratch + thread() * job.scratchBytes;
  const copy = sums + sumsBytes;
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
  const sumBytes = (<usize>job.run) << 2;

  for (let group = 0; group < job.groups; group++) {
    const gw = partial + group * job.outChannels * rowTaps;
    for (let image = firstImage; image < endImage; image += job.imagesAtOnce) {
      const count = min(job.imagesAtOnce, endImage - image);
      const source = job.x + image * job.xImage + group * xGroup;
      if (!planes.direct)
        for (let i = 0; i < count; i++) copyPlanes(planes, source + i * job.xImage, job.channels, 0, planeRows, copy + i * copyBytes);
      const pixels = planes.direct ? source : copy;
      const imageStep = planes.direct ? job.xImage : copyBytes;
      const add = image > firstImage;
      for (let o = firstOut; o < endOut; o += 4) {
        const g = job.g + image * job.gImage + (group * job.outChannels + o) * planeG;
        // Channels that do not exist repeat one that does, and are not stored.
        const valid = min(4, endOut - o);
        const second = min(valid - 1, 1) * planeG, third = min(valid - 1, 2) * planeG, fourth = min(valid - 1, 3) * planeG;
        const to = gw + o * rowTaps;
        for (let t = 0; t < job.taps; t += 2) {
          const pair = t + 1 < job.taps;
          const tap0 = job.offsets + ((<usize>t) << 2), tap1 = pair ? tap0 + 4 : tap0;
          const pixels0 = pixels + load<usize>(tap0), pixels1 = pixels + load<usize>(tap1);
          if (job.runCount == 0)
            dotsOfRows(
              job.rows, job.columns, (<usize>planes.pitch) << 2, g, second, third, fourth, job.gImage,
              pixels0, pixels1, imageStep, count, sums,
            );
          else if (job.run == 4)
            dotsOfVectors(job.runs, job.runCount, g, second, third, fourth, job.gImage, pixels0, pixels1, imageStep, count, sums);
          else
            dotsOfRuns(job.runs, job.runCount, g, second, third, fourth, job.gImage, pixels0, pixels1, imageStep, count, sums);
          for (let channel = 0, at = to + ((<usize>t) << 2), from = sums; channel < valid; channel++, at += rowTaps, from += 2 * sumBytes) {
            put(at, from, sumBytes, add);
            if (pair) put(at + 4, from + sumBytes, sumBytes, add);
          }
        }
      }
    }
  }
}

/** Adds the lanes of one sum and stores the result, or adds it to what is there. */
@inline
function put(at: usize, sum: usize, bytes: usize, add: bool): void {
  let lanes = v128.load(sum);
  if (CONV_RUN > 4 && bytes > 16) lanes = f32x4.add(lanes, v128.load(sum, 16));
  store<f32>(at, (add ? load<f32>(at) : 0) + laneSum(lanes));
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
