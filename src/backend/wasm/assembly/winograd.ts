/**
 * The convolution of 3×3 kernels with stride 1 and its input gradient by Winograd's F(2×2, 3×3): 16 multiplications instead of 36 for each
 * 2×2 outputs (docs/derivations/winograd.md).
 *
 *   V = Bᵀ·d·B of each 4×4 window d of the source, U = G·w·Gᵀ, M[ξ] = U[ξ]·V[ξ] for each of the 16 places ξ, y = Aᵀ·M·A
 *
 * Windows overlap by two. A vector holds the same place of four neighbouring windows of a row: a quad. Quads are written straight into the
 * panels of the tile of matrix multiplication (gemm-tile), so nothing is packed in an own pass. A panel of windows passes through all
 * three steps while it stays in the caches: V and M take 16·(C + O)·COLUMNS floats.
 *
 * One chunk is a band of rows of one image.
 */

import { Planes, copyPlanes } from "./conv-planes";
import { gemmTile } from "./gemm-tile";
import { multiplyAdd, storeLanes, zero } from "./simd";
import { JOB, parallel, thread } from "./team";

const ROWS = GEMM_ROWS, COLUMNS = GEMM_COLUMNS;
const panelRow: usize = COLUMNS << 2;
const QUADS = COLUMNS >> 2;

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
  /** Distances of two places in V and in M. */
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

function band(index: i32): void {
  const job = changetype<WinogradJob>(load<usize>(JOB));
  const planes = job.planes;
  const image = index / job.bands;
  const first = (index % job.bands) * job.bandRows;
  const rows = min(job.bandRows, job.rows - first);
  const planeRows = job.bandRows + 2;
  const v = job.scratch + thread() * job.scratchBytes;
  const m = v + 16 * job.stepV;
  const copy = m + 16 * job.stepM;
  copyPlanes(planes, job.source + image * job.sourceImage, job.channels, first, planeRows, copy);
  const rowBytes = (<usize>planes.pitch) << 2;
  const target = job.target + image * job.targetImage + (<usize>(first * job.columns) << 2);
  const perRow = (job.columns + 7) >> 3;
  const quads = ((rows + 1) >> 1) * perRow;
  const blockBytes = (<usize>(job.channels * ROWS)) << 2;
  const blocks = (job.outChannels + ROWS - 1) / ROWS;
  let finite = zero();
  for (let quad = 0; quad < quads; quad += QUADS) {
    const end = min(QUADS, quads - quad);
    for (let q = 0; q < end; q++) {
      const row = (quad + q) / perRow, column = (quad + q) % perRow;
      let from = copy + row * 2 * rowBytes + ((<usize>column) << 5);
      let to = v + ((<usize>q) << 4);
      const planeBytes = planeRows * rowBytes;
      for (let c = 0; c < job.channels; c++, from += planeBytes, to += panelRow) transformInput(from, rowBytes, to, job.stepV);
    }
    let weights = job.weights;
    for (let place: usize = 0; place < 16; place++) {
      let to = m + place * job.stepM;
      const from = v + place * job.stepV;
      for (let block = 0; block < blocks; block++, weights += blockBytes, to += ROWS * panelRow)
        gemmTile(job.channels, weights, from, to, panelRow, false);
    }
    for (let q = 0; q < end; q++) {
      const row = ((quad + q) / perRow) << 1, column = ((quad + q) % perRow) << 3;
      let from = m + ((<usize>q) << 4);
      let to = target + ((<usize>(row * job.columns + column)) << 2);
      const pair = row + 1 < rows;
      const count = job.columns - column;
      for (let o = 0; o < job.outChannels; o++, from += panelRow, to += job.targetPlane)
        finite = transformOutput(from, job.stepM, to, (<usize>job.columns) << 2, pair, count, finite);
    }
  }
  if (v128.any_true(f32x4.ne(finite, finite))) job.nonFinite = 1;
}

@inline
function even(a: v128, b: v128): v128 {
  return v128.shuffle<f32>(a, b, 0, 2, 4, 6);
}
@inline
function odd(a: v128, b: v128): v128 {
  return v128.shuffle<f32>(a, b, 1, 3, 5, 7);
}

/** The four windows from `at` on: one vector to each of the 16 places. */
function transformInput(at: usize, rowBytes: usize, to: usize, step: usize): void {
  let a = v128.load(at), b = v128.load(at, 16), c = v128.load(at, 8), d = v128.load(at, 24);
  let e0 = even(a, b), o0 = odd(a, b), e1 = even(c, d), o1 = odd(c, d);
  const r00 = f32x4.sub(e0, e1), r01 = f32x4.add(o0, e1), r02 = f32x4.sub(e1, o0), r03 = f32x4.sub(o0, o1);
  at += rowBytes;
  a = v128.load(at); b = v128.load(at, 16); c = v128.load(at, 8); d = v128.load(at, 24);
  e0 = even(a, b); o0 = odd(a, b); e1 = even(c, d); o1 = odd(c, d);
  const r10 = f32x4.sub(e0, e1), r11 = f32x4.add(o0, e1), r12 = f32x4.sub(e1, o0), r13 = f32x4.sub(o0, o1);
  at += rowBytes;
  a = v128.load(at); b = v128.load(at, 16); c = v128.load(at, 8); d = v128.load(at, 24);
  e0 = even(a, b); o0 = odd(a, b); e1 = even(c, d); o1 = odd(c, d);
  const r20 = f32x4.sub(e0, e1), r21 = f32x4.add(o0, e1), r22 = f32x4.sub(e1, o0), r23 = f32x4.sub(o0, o1);
  at += rowBytes;
  v128.store(to, f32x4.sub(r00, r20)); to += step;
  v128.store(to, f32x4.sub(r01, r21)); to += step;
  v128.store(to, f32x4.sub(r02, r22)); to += step;
  v128.store(to, f32x4.sub(r03, r23)); to += step;
  v128.store(to, f32x4.add(r10, r20)); to += step;
  v128.store(to, f32x4.add(r11, r21)); to += step;
  v128.store(to, f32x4.add(r12, r22)); to += step;
  v128.store(to, f32x4.add(r13, r23)); to += step;
  v128.store(to, f32x4.sub(r20, r10)); to += step;
  v128.store(to, f32x4.sub(r21, r11)); to += step;
  v128.store(to, f32x4.sub(r22, r12)); to += step;
  v128.store(to, f32x4.sub(r23, r13)); to += step;
  a = v128.load(at); b = v128.load(at, 16); c = v128.load(at, 8); d = v128.load(at, 24);
  e0 = even(a, b); o0 = odd(a, b); e1 = even(c, d); o1 = odd(c, d);
  v128.store(to, f32x4.sub(r10, f32x4.sub(e0, e1))); to += step;
  v128.store(to, f32x4.sub(r11, f32x4.add(o0, e1))); to += step;
  v128.store(to, f32x4.sub(r12, f32x4.sub(e1, o0))); to += step;
  v128.store(to, f32x4.sub(r13, f32x4.sub(o0, o1)));
}

/** 2×8 outputs of one channel from the products at the 16 places. */
function transformOutput(m: usize, step: usize, to: usize, rowBytes: usize, pair: bool, count: i32, finite: v128): v128 {
  let a = v128.load(m), b = v128.load(m + step), c = v128.load(m + step * 2), d = v128.load(m + step * 3);
  m += step << 2;
  const r00 = f32x4.add(f32x4.add(a, b), c), r01 = f32x4.sub(f32x4.sub(b, c), d);
  a = v128.load(m); b = v128.load(m + step); c = v128.load(m + step * 2); d = v128.load(m + step * 3);
  m += step << 2;
  const r10 = f32x4.add(f32x4.add(a, b), c), r11 = f32x4.sub(f32x4.sub(b, c), d);
  a = v128.load(m); b = v128.load(m + step); c = v128.load(m + step * 2); d = v128.load(m + step * 3);
  m += step << 2;
  const r20 = f32x4.add(f32x4.add(a, b), c), r21 = f32x4.sub(f32x4.sub(b, c), d);
  a = v128.load(m); b = v128.load(m + step); c = v128.load(m + step * 2); d = v128.load(m + step * 3);
  const r30 = f32x4.add(f32x4.add(a, b), c), r31 = f32x4.sub(f32x4.sub(b, c), d);
  finite = writeRow(to, f32x4.add(f32x4.add(r00, r10), r20), f32x4.add(f32x4.add(r01, r11), r21), count, finite);
  if (pair) finite = writeRow(to + rowBytes, f32x4.sub(f32x4.sub(r10, r20), r30), f32x4.sub(f32x4.sub(r11, r21), r31), count, finite);
  return finite;
}

@inline
function writeRow(to: usize, a: v128, b: v128, count: i32, finite: v128): v128 {
  const low = v128.shuffle<f32>(a, b, 0, 4, 1, 5), high = v128.shuffle<f32>(a, b, 2, 6, 3, 7);
  if (count >= 8) {
    v128.store(to, low);
    v128.store(to, high, 16);
  } else {
    storeLanes(to, low, count);
    storeLanes(to + 16, high, count - 4);
  }
  return multiplyAdd(b, zero(), multiplyAdd(a, zero(), finite));
}

/** What the host writes at JOB to have weights transformed. Distances in w are in elements. */
@unmanaged
export class WinogradWeightsJob {
  source: usize;
  target: usize;
  /** Positions in a kernel of w of the nine taps, in the order in which they meet the pixels of a window. */
  taps: usize;
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
  const blocks = (job.outChannels + ROWS - 1) / ROWS;
  const place = (<usize>(blocks * job.inChannels * ROWS)) << 2;
  const target = job.target + ((<usize>(block * job.inChannels * ROWS)) << 2);
  for (let r = 0; r < ROWS; r++) {
    const o = block * ROWS + r;
    for (let c = 0; c < job.inChannels; c++) {
      const to = target + ((<usize>(c * ROWS + r)) << 2);
      if (o >= job.outChannels) {
        for (let i: usize = 0; i < 16; i++) store<f32>(to + i * place, 0);
        continue;
      }
      const w = job.source + ((<usize>(o * job.strideOut + c * job.strideIn)) << 2);
      // Column by column: G times a column of w, then the rows by Gᵀ.
      const k0 = row(w, job.taps, 0), k1 = row(w, job.taps, 12), k2 = row(w, job.taps, 24);
      const sum = f32x4.mul(f32x4.splat(0.5), f32x4.add(k0, k2)), middle = f32x4.mul(f32x4.splat(0.5), k1);
      put(to, place, k0);
      put(to + place * 4, place, f32x4.add(sum, middle));
      put(to + place * 8, place, f32x4.sub(sum, middle));
      put(to + place * 12, place, k2);
    }
  }
}

/** G times one row of a kernel. */
@inline
function row(w: usize, taps: usize, at: usize): v128 {
  const a = load<f32>(w + ((<usize>load<i32>(taps + at)) << 2));
  const b = load<f32>(w + ((<usize>load<i32>(taps + at, 4)) << 2));
  const c = load<f32>(w + ((<usize>load<i32>(taps + at, 8)) << 2));
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
