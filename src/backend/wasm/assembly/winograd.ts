/**
 * The convolution of 3×3 kernels with stride 1 and its input gradient by Winograd's F(2×2, 3×3): 16 multiplications instead of 36 for
 * each 2×2 outputs (docs/derivations/winograd.md).
 *
 *   V = Bᵀ·d·B of each 4×4 window d of the source, U = G·w·Gᵀ, M[ξ] = U[ξ]·V[ξ] for each of the 16 places ξ, y = Aᵀ·M·A
 *
 * Windows overlap by two. A vector holds the same place of four neighbouring windows of a row: a quad. Quads are written straight into the
 * panels of the tile of matrix multiplication (gemm-tile), so packing takes no pass of its own. A panel of windows passes through all three
 * steps while it stays in the caches: V and M take 16·(C + O)·COLUMNS floats.
 *
 * One chunk is a band of rows of one image.
 */

import { Planes, copyEvenAndOdd } from "./conv-planes";
import { gemmTile } from "./gemm-tile";
import { zero } from "./simd";
import { JOB, parallel, thread } from "./team";
import { inputOfQuad, inputOfRun, outputsOfRun } from "./winograd-tile";
import { transformOutput, writeRun } from "./winograd-transforms";

const ROWS = GEMM_ROWS, COLUMNS = GEMM_COLUMNS;
const panelRow: usize = COLUMNS << 2;
const QUADS = COLUMNS >> 2;
/** Quads that are transformed together where they are neighbours. */
const RUN = CONV_RUN >> 2;
/** Room for the outputs of a run of one channel (outputsOfRun in tiles.mjs). */
const outputsBytes: usize = 64 * RUN;

/** What the host writes. Distances are in bytes. */
@unmanaged
export class WinogradJob {
  planes: Planes;
  source: usize;
  sourceImage: usize;
  target: usize;
  targetImage: usize;
  targetPlane: usize;
  channels: i32;
  outChannels: i32;
  rows: i32;
  columns: i32;
  bands: i32;
  bandRows: i32;
  /** Packed [ξ][block of ROWS output channels][channel][ROWS]. */
  weights: usize;
  /** Distances of two places in U, V and M. */
  stepU: usize;
  stepV: usize;
  stepM: usize;
  scratch: usize;
  scratchBytes: usize;
  /** The kernel writes 1 where a result is NaN or infinite. */
  nonFinite: i32;
}

/** Runs the job that the host has written at `description`: images × bands chunks. */
export function winograd(description: usize, images: i32, shared: bool): void {
  store<usize>(JOB, description);
  parallel(band, images * changetype<WinogradJob>(description).bands, shared);
}

/** Quads to transform together from `column` on: those of a run, or one where the row or the panel ends before. */
@inline
function runAt(column: i32, perRow: i32, left: i32): i32 {
  return RUN > 1 && min(perRow - column, left) >= RUN ? RUN : 1;
}

function band(index: i32): void {
  const job = changetype<WinogradJob>(load<usize>(JOB));
  const planes = job.planes;
  const image = index / job.bands;
  const first = (index % job.bands) * job.bandRows;
  const rows = min(job.bandRows, job.rows - first);
  const planeRows = job.bandRows + 2;
  const v = job.scratch + thread() * job.scratchBytes;
  const m = v + 16 * job.stepV;
  const outputs = m + 16 * job.stepM;
  const copy = outputs + outputsBytes;
  copyEvenAndOdd(planes, job.source + image * job.sourceImage, job.channels, first, planeRows, copy);
  const rowBytes = (<usize>planes.pitch) << 2, targetRow = (<usize>job.columns) << 2;
  /** The even columns of a channel, and behind them its odd columns. */
  const planeBytes = planeRows * rowBytes;
  const target = job.target + image * job.targetImage + (<usize>(first * job.columns) << 2);
  const perRow = (job.columns + 7) >> 3;
  const quads = ((rows + 1) >> 1) * perRow;
  const blockBytes = (<usize>(job.channels * ROWS)) << 2;
  const blocks = (job.outChannels + ROWS - 1) / ROWS;
  let finite = zero();
  for (let quad = 0; quad < quads; quad += QUADS) {
    const count = min(QUADS, quads - quad);
    const row = (quad / perRow) << 1, column = quad % perRow;
    // Channels are the outer loop, because the quads of a panel share its cache lines.
    for (let c = 0, plane = copy, to = v; c < job.channels; c++, plane += 2 * planeBytes, to += panelRow) {
      let line = plane + row * rowBytes, at = column;
      for (let q = 0, run = 0; q < count; q += run) {
        run = runAt(at, perRow, count - q);
        const even = line + ((<usize>at) << 4);
        if (run == 1) inputOfQuad(even, even + planeBytes, rowBytes, to + ((<usize>q) << 4), job.stepV);
        else inputOfRun(even, even + planeBytes, rowBytes, to + ((<usize>q) << 4), job.stepV);
        at += run;
        if (at == perRow) {
          at = 0;
          line += 2 * rowBytes;
        }
      }
    }
    for (let place: usize = 0; place < 16; place++) {
      let weights = job.weights + place * job.stepU;
      let to = m + place * job.stepM;
      const from = v + place * job.stepV;
      for (let block = 0; block < blocks; block++, weights += blockBytes, to += ROWS * panelRow)
        gemmTile(job.channels, weights, from, to, panelRow, false);
    }
    for (let o = 0, plane = target, from = m; o < job.outChannels; o++, plane += job.targetPlane, from += panelRow) {
      let y = row, at = column;
      for (let q = 0, run = 0; q < count; q += run) {
        run = runAt(at, perRow, count - q);
        const pair = y + 1 < rows, columns = job.columns - (at << 3);
        const to = plane + ((<usize>(y * job.columns + (at << 3))) << 2);
        if (run == 1) finite = transformOutput(from + ((<usize>q) << 4), job.stepM, to, targetRow, pair, columns, finite);
        else {
          outputsOfRun(from + ((<usize>q) << 4), job.stepM, outputs);
          finite = writeRun(outputs, RUN, to, targetRow, pair, columns, finite);
        }
        at += run;
        if (at == perRow) {
          at = 0;
          y += 2;
        }
      }
    }
  }
  if (v128.any_true(f32x4.ne(finite, finite))) job.nonFinite = 1;
}

/** What the host writes at JOB to have weights transformed. Distances in w are in elements. */
@unmanaged
export class WinogradWeightsJob {
  source: usize;
  target: usize;
  /** Positions in a kernel of w of the nine taps, in the order in which they meet the pixels of a window. */
  taps: usize;
  /** Distance in bytes of two places. */
  step: usize;
  outChannels: i32;
  inChannels: i32;
  strideOut: i32;
  strideIn: i32;
}

/** U = G·w·Gᵀ to [ξ][block of ROWS output channels][input channel][ROWS]. Channels that do not exist are 0. */
export function winogradWeights(shared: bool): void {
  parallel(weightBlock, (changetype<WinogradWeightsJob>(JOB).outChannels + ROWS - 1) / ROWS, shared);
}

function weightBlock(block: i32): void {
  const job = changetype<WinogradWeightsJob>(JOB);
  const step = job.step;
  const o = block * ROWS;
  const valid = min(ROWS, job.outChannels - o);
  const strideOut = (<usize>job.strideOut) << 2, strideIn = (<usize>job.strideIn) << 2;
  const half = f32x4.splat(0.5);
  let to = job.target + ((<usize>(o * job.inChannels)) << 2);
  let channel = job.source + o * strideOut;
  for (let c = 0; c < job.inChannels; c++, channel += strideIn) {
    for (let r = 0, w = channel; r < ROWS; r++, w += strideOut, to += 4) {
      let k0 = zero(), k1 = zero(), k2 = zero();
      if (r < valid) {
        k0 = row(w, job.taps);
        k1 = row(w, job.taps + 12);
        k2 = row(w, job.taps + 24);
      }
      const sum = f32x4.mul(half, f32x4.add(k0, k2)), middle = f32x4.mul(half, k1);
      put(to, step, k0);
      put(to + step * 4, step, f32x4.add(sum, middle));
      put(to + step * 8, step, f32x4.sub(sum, middle));
      put(to + step * 12, step, k2);
    }
  }
}

/** G times one row of a kernel. */
@inline
function row(w: usize, taps: usize): v128 {
  const a = load<f32>(w + ((<usize>load<i32>(taps)) << 2));
  const b = load<f32>(w + ((<usize>load<i32>(taps, 4)) << 2));
  const c = load<f32>(w + ((<usize>load<i32>(taps, 8)) << 2));
  const sum: f32 = 0.5 * (a + c), half: f32 = 0.5 * b;
  let v = f32x4.splat(a);
  v = f32x4.replace_lane(v, 1, sum + half);
  v = f32x4.replace_lane(v, 2, sum - half);
  return f32x4.replace_lane(v, 3, c);
}

@inline
function put(to: usize, place: usize, v: v128): void {
  v128.store_lane<f32>(to, v, 0);
  v128.store_lane<f32>(to + place, v, 1);
  v128.store_lane<f32>(to + place * 2, v, 2);
  v128.store_lane<f32>(to + place * 3, v, 3);
}
