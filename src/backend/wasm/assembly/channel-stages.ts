/**
 * Products along the channels, stage by stage, on one tile of columns after the other (docs: core/channel-stage.ts has the equation).
 *
 * A tile is some columns of one image, or all columns of a few small images side by side. It is copied to scratch memory first: rows of an
 * image lie a power of two apart, and would compete for a few places of a cache. All stages then run on the tile, so what lies between two
 * stages stays in the second-level cache. A stage is a list of rows to read and a list of rows to write for each group, so an order of
 * channels costs nothing. The gradient computes the stages of a tile again, and then takes them in reverse.
 *
 * One tile is a chunk forward. Backward, a chunk is a range of tiles, which adds up its own gradients of the weights. Tiles and ranges
 * depend on the shapes alone.
 */

import { dotsOfRows, dotsOfRuns } from "./conv-dots";
import { convTile } from "./conv-tile";
import { laneSum } from "./simd";
import { JOB, parallel, thread } from "./team";

/** What the host writes for each stage. Lists of rows are in bytes from the start of a tile. */
@unmanaged
export class Stage {
  groups: i32;
  /** Blocks of the weight: group g has block g mod `weights`. */
  weights: i32;
  inputs: i32;
  outputs: i32;
  reads: usize;
  writes: usize;
  /** Packed [block][four outputs][input][4], and for the gradient [block][four inputs][output][4]. */
  forward: usize;
  backward: usize;
  /** Where the input lies in a thread's scratch memory. */
  source: usize;
  /** The gradients of the weight, [range][block][output][input], and the bytes of one of them. */
  partial: usize;
  partialBytes: usize;
}

@unmanaged
export class StagesJob {
  x: usize;
  y: usize;
  /** The cotangent of y and the gradient of x. */
  g: usize;
  gx: usize;
  batch: i32;
  /** Columns of an image, rows of x and of y. */
  columns: i32;
  rowsX: i32;
  rowsY: i32;
  /** Columns of a tile, which are those of `images` images where a tile takes whole images. */
  tileColumns: i32;
  images: i32;
  tilesPerImage: i32;
  tiles: i32;
  tilesPerRange: i32;
  /** Bytes of a row of a tile. */
  pitch: usize;
  stages: usize;
  stageCount: i32;
  /** For each run of a tile its place in a row of scratch memory, in x and in y. The last two hold if an image is whole runs. */
  runs: usize;
  runsX: usize;
  runsY: usize;
  /** The rows that the last stage writes, and that the first one reads, in bytes of y and x. */
  rowsOfY: usize;
  rowsOfX: usize;
  /** Whether results go straight to y and x: an image is whole runs. */
  direct: i32;
  /** Where y, the cotangents and the gradient of x lie in a thread's scratch memory. */
  result: usize;
  cotangents: usize;
  otherCotangents: usize;
  scratch: usize;
  scratchBytes: usize;
}

const stageBytes = offsetof<Stage>();
const RUN = CONV_RUN;
const runBytes: usize = RUN << 2;
/** The bytes of a group's inputs over which all its outputs run before the next columns: most of a first-level cache. */
const cacheBytes: i32 = 24576;

export function contractChannels(description: usize, shared: bool): void {
  store<usize>(JOB, description);
  parallel(forwardTile, changetype<StagesJob>(description).tiles, shared);
}

export function contractChannelsGradient(description: usize, ranges: i32, shared: bool): void {
  store<usize>(JOB, description);
  parallel(backwardRange, ranges, shared);
}

/** The place of a tile: its first image and column, its images, and its columns in each. */
@inline
function firstImage(job: StagesJob, tile: i32): i32 {
  return job.tilesPerImage > 1 ? tile / job.tilesPerImage : tile * job.images;
}
@inline
function firstColumn(job: StagesJob, tile: i32): i32 {
  return job.tilesPerImage > 1 ? (tile % job.tilesPerImage) * job.tileColumns : 0;
}
@inline
function imagesOf(job: StagesJob, image: i32): i32 {
  return job.tilesPerImage > 1 ? 1 : min(job.images, job.batch - image);
}

function forwardTile(tile: i32): void {
  const job = changetype<StagesJob>(load<usize>(JOB));
  const scratch = job.scratch + thread() * job.scratchBytes;
  const image = firstImage(job, tile), column = firstColumn(job, tile), images = imagesOf(job, image);
  copyIn(job, job.x, job.rowsX, image, column, images, scratch + firstSource(job));
  applyStages(job, image, column, images, scratch);
}

/** Where the rows that the first stage reads lie in a thread's scratch memory. */
@inline
export function firstSource(job: StagesJob): usize {
  return changetype<Stage>(job.stages).source;
}

/** The columns of the tile that begins at `column`, in all of its images. */
@inline
function columnsOf(job: StagesJob, column: i32, images: i32): i32 {
  return images * (job.tilesPerImage > 1 ? min(job.tileColumns, job.columns - column) : job.columns);
}

/** All stages of a tile whose rows of x lie in scratch memory. The last one writes y. */
export function applyStages(job: StagesJob, image: i32, column: i32, images: i32, scratch: usize): void {
  const columns = columnsOf(job, column, images), sums = scratch;
  const last = job.stageCount - 1;
  forwardStages(job, last, columns, scratch, sums);
  const stage = changetype<Stage>(job.stages + last * stageBytes);
  if (job.direct) {
    const target = job.y + (((<usize>image) * job.rowsY * job.columns + column) << 2);
    product(stage, false, job.rowsOfY, stage.reads, scratch + stage.source, target, job.runs, job.runsY, columns, sums);
  } else {
    product(stage, false, stage.writes, stage.reads, scratch + stage.source, scratch + job.result, job.runs, job.runs, columns, sums);
    copyOut(job, job.y, job.rowsY, image, column, images, scratch + job.result);
  }
}

/** The first `count` stages, each to the place of the next one's input. */
function forwardStages(job: StagesJob, count: i32, columns: i32, scratch: usize, sums: usize): void {
  for (let s = 0; s < count; s++) {
    const stage = changetype<Stage>(job.stages + s * stageBytes);
    const next = changetype<Stage>(job.stages + (s + 1) * stageBytes);
    product(stage, false, stage.writes, stage.reads, scratch + stage.source, scratch + next.source, job.runs, job.runs, columns, sums);
  }
}

function backwardRange(range: i32): void {
  const job = changetype<StagesJob>(load<usize>(JOB));
  const scratch = job.scratch + thread() * job.scratchBytes;
  clearPartials(job, range);
  const end = min(job.tiles, (range + 1) * job.tilesPerRange);
  for (let tile = range * job.tilesPerRange; tile < end; tile++) {
    const image = firstImage(job, tile), column = firstColumn(job, tile), images = imagesOf(job, image);
    copyIn(job, job.x, job.rowsX, image, column, images, scratch + firstSource(job));
    const target = job.gx + (((<usize>image) * job.rowsX * job.columns + column) << 2);
    stagesGradient(job, image, column, images, scratch, range, target);
  }
}

/** Sets the gradients of the weights of a range to 0. */
export function clearPartials(job: StagesJob, range: i32): void {
  for (let s = 0; s < job.stageCount; s++) {
    const stage = changetype<Stage>(job.stages + s * stageBytes);
    memory.fill(stage.partial + range * stage.partialBytes, 0, stage.partialBytes);
  }
}

/**
 * The gradients of all stages of a tile whose rows of x lie in scratch memory. Those of the weights are added to the range's own. That of x
 * is written at `target`, with the rows `rowsOfX`, if an image is whole runs, and to gx otherwise.
 */
export function stagesGradient(job: StagesJob, image: i32, column: i32, images: i32, scratch: usize, range: i32, target: usize): void {
  const columns = columnsOf(job, column, images), sums = scratch;
  forwardStages(job, job.stageCount - 1, columns, scratch, sums);
  let cotangent = scratch + job.cotangents, other = scratch + job.otherCotangents;
  copyIn(job, job.g, job.rowsY, image, column, images, cotangent);
  for (let s = job.stageCount - 1; s >= 0; s--) {
    const stage = changetype<Stage>(job.stages + s * stageBytes);
    weightGradients(stage, scratch + stage.source, cotangent, job.runs, columns, job.direct != 0, stage.partial + range * stage.partialBytes, sums);
    if (s == 0 && job.direct) {
      product(stage, true, job.rowsOfX, stage.writes, cotangent, target, job.runs, job.runsX, columns, sums);
    } else {
      product(stage, true, stage.reads, stage.writes, cotangent, other, job.runs, job.runs, columns, sums);
      const swap = cotangent;
      cotangent = other;
      other = swap;
    }
  }
  if (!job.direct) copyOut(job, job.gx, job.rowsX, image, column, images, cotangent);
}

/** Copies a tile to scratch memory, side by side where it has several images, and fills its last run with zeros. */
function copyIn(job: StagesJob, from: usize, rows: i32, image: i32, column: i32, images: i32, to: usize): void {
  const plane = (<usize>job.columns) << 2;
  const bytes = (<usize>min(job.tileColumns, job.columns - column)) << 2;
  const imageBytes = plane * rows;
  const first = from + image * imageBytes + ((<usize>column) << 2);
  for (let row = 0; row < rows; row++, to += job.pitch) {
    let at = to;
    for (let i = 0; i < images; i++, at += bytes) copyRow(first + i * imageBytes + row * plane, at, bytes);
    if (!job.direct) for (const stop = to + job.pitch; at < stop; at += 4) store<f32>(at, 0);
  }
}

/** The reverse of `copyIn`. */
function copyOut(job: StagesJob, to: usize, rows: i32, image: i32, column: i32, images: i32, from: usize): void {
  const plane = (<usize>job.columns) << 2;
  const bytes = (<usize>min(job.tileColumns, job.columns - column)) << 2;
  const imageBytes = plane * rows;
  const first = to + image * imageBytes + ((<usize>column) << 2);
  for (let row = 0; row < rows; row++, from += job.pitch)
    for (let i = 0; i < images; i++) copyRow(from + i * bytes, first + i * imageBytes + row * plane, bytes);
}

@inline
function copyRow(from: usize, to: usize, bytes: usize): void {
  const stop = from + bytes;
  for (; from + 16 <= stop; from += 16, to += 16) v128.store(to, v128.load(from));
  for (; from < stop; from += 4, to += 4) store<f32>(to, load<f32>(from));
}

/** One stage, or its transpose, from the rows `reads` of the source to the rows `writes` of the target. */
function product(
  stage: Stage, transposed: bool, writes: usize, reads: usize, source: usize, target: usize, runs: usize, targetRuns: usize, columns: i32,
  sums: usize,
): void {
  const inputs = transposed ? stage.outputs : stage.inputs, outputs = transposed ? stage.inputs : stage.outputs;
  const packed = transposed ? stage.backward : stage.forward;
  const blockBytes = (<usize>inputs) << 4;
  const blocks = (outputs + 3) >> 2;
  const runCount = (columns + RUN - 1) / RUN;
  const step = max(2, ((cacheBytes / (<i32>runBytes)) / inputs) & ~1);
  for (let first = 0; first < runCount; first += step) {
    const end = min(runCount, first + step);
    let list = reads, out = writes;
    for (let group = 0; group < stage.groups; group++, list += (<usize>inputs) << 2, out += (<usize>outputs) << 2) {
      let weights = packed + (group % stage.weights) * blocks * blockBytes;
      for (let o = 0; o < outputs; o += 4, weights += blockBytes) {
        const valid = min(4, outputs - o);
        const rows = out + ((<usize>o) << 2);
        const row = target + load<usize>(rows);
        const distance = valid > 1 ? load<usize>(rows, 4) - load<usize>(rows) : 0;
        const even = valid == 4 && load<usize>(rows, 8) - load<usize>(rows, 4) == distance && load<usize>(rows, 12) - load<usize>(rows, 8) == distance;
        for (let run = first; run < end; run += 2) {
          const other = min(run + 1, end - 1);
          const pixels0 = source + load<usize>(runs + ((<usize>run) << 2)), pixels1 = source + load<usize>(runs + ((<usize>other) << 2));
          const to0 = load<usize>(targetRuns + ((<usize>run) << 2)), to1 = load<usize>(targetRuns + ((<usize>other) << 2));
          if (even) convTile(inputs, list, weights, pixels0, pixels1, row + to0, row + to1, distance);
          else {
            convTile(inputs, list, weights, pixels0, pixels1, sums, sums + runBytes, 2 * runBytes);
            for (let k = 0; k < valid; k++) {
              const at = target + load<usize>(rows + ((<usize>k) << 2));
              const from = sums + k * 2 * runBytes;
              copyRow(from, at + to0, runBytes);
              copyRow(from + runBytes, at + to1, runBytes);
            }
          }
        }
      }
    }
  }
}

/** Adds Σ over the columns of cotangent · input to the gradient of the weight, with four outputs and two inputs at once. */
function weightGradients(
  stage: Stage, source: usize, cotangent: usize, runs: usize, columns: i32, whole: bool, partial: usize, sums: usize,
): void {
  const inputs = stage.inputs, outputs = stage.outputs;
  const rowBytes = (<usize>inputs) << 2;
  const runCount = columns / RUN;
  let reads = stage.reads, writes = stage.writes;
  for (let group = 0; group < stage.groups; group++, reads += rowBytes, writes += (<usize>outputs) << 2) {
    const weights = partial + (group % stage.weights) * outputs * rowBytes;
    for (let o = 0; o < outputs; o += 4) {
      const valid = min(4, outputs - o);
      const rows = writes + ((<usize>o) << 2);
      const g = cotangent + load<usize>(rows);
      // Rows that do not exist repeat one that does, and are not stored.
      const second = cotangent + load<usize>(rows + ((<usize>min(valid - 1, 1)) << 2)) - g;
      const third = cotangent + load<usize>(rows + ((<usize>min(valid - 1, 2)) << 2)) - g;
      const fourth = cotangent + load<usize>(rows + ((<usize>min(valid - 1, 3)) << 2)) - g;
      for (let i = 0; i < inputs; i += 2) {
        const pair = i + 1 < inputs;
        const pixels0 = source + load<usize>(reads + ((<usize>i) << 2));
        const pixels1 = pair ? source + load<usize>(reads + ((<usize>(i + 1)) << 2)) : pixels0;
        if (whole) dotsOfRuns(runs, runCount, g, second, third, fourth, 0, pixels0, pixels1, 0, 1, sums);
        else dotsOfRows(1, columns, 0, g, second, third, fourth, 0, pixels0, pixels1, 0, 1, sums);
        let to = weights + o * rowBytes + ((<usize>i) << 2);
        for (let k = 0, from = sums; k < valid; k++, to += rowBytes, from += 2 * runBytes) {
          add(to, from);
          if (pair) add(to + 4, from + runBytes);
        }
      }
    }
  }
}

/** Adds the lanes of one sum to the number at `to`. */
@inline
function add(to: usize, sum: usize): void {
  let lanes = v128.load(sum);
  if (RUN > 4) lanes = f32x4.add(lanes, v128.load(sum, 16));
  store<f32>(to, load<f32>(to) + laneSum(lanes));
}
