/**
 * Depthwise convolution: every channel has its own small kernel and uses no other channel, so there is no product of matrices to tile over.
 * Reading pixels bounds the speed: each multiply-add needs one load.
 *
 * A tile is 6 runs of pixels of one channel (tiles.mjs). Each tap broadcasts its weight once and reads 6 vectors or pairs: 6 sums, 6
 * operands and 1 weight take 13 registers. The weight gradient exchanges the roles: it takes 5 taps against one run of g. Planes and passes
 * are those of conv-planes.ts and conv-correlate.ts, one channel at a time, so a copy of a plane is used while it is in the first-level
 * cache.
 */

import { Planes, copyPlanes } from "./conv-planes";
import { depthwiseVectors } from "../shared/sizes";
import { fiveDots, sixRuns } from "./depthwise-tile";
import { laneSum, storeLanes } from "./simd";
import { JOB, parallel, thread } from "./team";

/** One tap: its position in the kernel of its channel, and its distance from a pixel in bytes. */
@unmanaged
export class DepthwiseTap {
  index: usize;
  offset: usize;
}

/**
 * A run of neighbouring pixels, as many as a tile takes: the byte offset of its sources in the plane and of its results in the output
 * plane, and how many of its pixels exist.
 */
@unmanaged
export class DepthwiseVector {
  source: usize;
  target: usize;
  lanes: i32;
}

/** What the host writes for each pass. */
@unmanaged
export class DepthwisePass {
  taps: i32;
  /** A list of `DepthwiseTap`. */
  list: usize;
  vectorCount: i32;
  /** A list of `DepthwiseVector`, padded to a multiple of six. */
  vectors: usize;
  /** Distance of neighbouring results, in elements. */
  step: i32;
  /** 1 where the results of successive vectors are neighbours and all lanes exist. */
  contiguous: i32;
}

/** What the host writes. Distances are in bytes. */
@unmanaged
export class DepthwiseJob {
  planes: Planes;
  source: usize;
  weights: usize;
  target: usize;
  targetPlane: usize;
  channels: i32;
  /** Taps of the kernel of one channel. */
  kernel: i32;
  /** Planes in all (images × channels), and how many one chunk takes. */
  planeCount: i32;
  planesPerChunk: i32;
  /** Rows of a copied plane. */
  rows: i32;
  passes: usize;
  passCount: i32;
  scratch: usize;
  scratchBytes: usize;
}

const passBytes = offsetof<DepthwisePass>();
const tapBytes = offsetof<DepthwiseTap>();
const vectorBytes = offsetof<DepthwiseVector>();
const TARGET = offsetof<DepthwiseVector>("target");
const LANES = offsetof<DepthwiseVector>("lanes");
const OFFSET = offsetof<DepthwiseTap>("offset");
/** Bytes of a run, and of the results of one tile. */
export const runBytes: usize = CONV_RUN << 2;
export const resultBytes: usize = depthwiseVectors * runBytes;

/** The convolution or its input gradient, as the host's passes say. */
export function depthwise(description: usize, shared: bool): void {
  const job = changetype<DepthwiseJob>(description);
  store<usize>(JOB, description);
  parallel(somePlanes, (job.planeCount + job.planesPerChunk - 1) / job.planesPerChunk, shared);
}

function somePlanes(index: i32): void {
  const job = changetype<DepthwiseJob>(load<usize>(JOB));
  const planes = job.planes;
  const results = job.scratch + thread() * job.scratchBytes;
  const copy = results + resultBytes;
  const sourcePlane = (<usize>(planes.height * planes.width)) << 2;
  const end = min(job.planeCount, (index + 1) * job.planesPerChunk);
  for (let p = index * job.planesPerChunk; p < end; p++) {
    const source = job.source + p * sourcePlane;
    const target = job.target + p * job.targetPlane;
    const weights = job.weights + ((<usize>((p % job.channels) * job.kernel)) << 2);
    if (!planes.direct) copyPlanes(planes, source, 1, 0, job.rows, copy);
    onePlane(job.passes, job.passCount, weights, planes.direct ? source : copy, target, results);
  }
}

/** All passes over one plane. `results` has room for the results of a tile. */
export function onePlane(passes: usize, passCount: i32, weights: usize, pixels: usize, target: usize, results: usize): void {
  for (let i = 0; i < passCount; i++) {
    const pass = changetype<DepthwisePass>(passes + i * passBytes);
    const endVector = pass.vectors + pass.vectorCount * vectorBytes;
    for (let vector = pass.vectors; vector < endVector; vector += depthwiseVectors * vectorBytes) {
      const count = <i32>min<usize>(depthwiseVectors, (endVector - vector) / vectorBytes);
      if (pass.contiguous && count == depthwiseVectors) {
        sixRuns(pass, weights, pixels, vector, target + load<usize>(vector, TARGET), 2 * runBytes);
        continue;
      }
      sixRuns(pass, weights, pixels, vector, results, 2 * runBytes);
      for (let v = 0; v < count; v++) put(target, vector + v * vectorBytes, pass.step, results + v * runBytes);
    }
  }
}

@inline
function put(target: usize, vector: usize, step: i32, result: usize): void {
  let at = target + load<usize>(vector, TARGET);
  const lanes = load<i32>(vector, LANES);
  if (step == 1) {
    storeLanes(at, v128.load(result), lanes);
    if (CONV_RUN > 4) storeLanes(at + 16, v128.load(result, 16), lanes - 4);
    return;
  }
  const distance = (<usize>step) << 2;
  let lane = 0;
  for (; lane + 4 <= lanes; lane += 4, at += 4 * distance, result += 16) {
    const four = v128.load(result);
    v128.store_lane<f32>(at, four, 0);
    v128.store_lane<f32>(at + distance, four, 1);
    v128.store_lane<f32>(at + 2 * distance, four, 2);
    v128.store_lane<f32>(at + 3 * distance, four, 3);
  }
  for (; lane < lanes; lane++, at += distance, result += 4) store<f32>(at, load<f32>(result));
}

/**
 * gw[c, t] = Σ over images and pixels of g·x. Here `target` is gw, `weights` is g and the only pass lists x's pixels as sources and g's
 * as results. One chunk is one channel over all images: the sum of each image is computed on its own, and the sums are added in order.
 */
export function depthwiseWeightGradient(description: usize, shared: bool): void {
  store<usize>(JOB, description);
  parallel(oneChannel, changetype<DepthwiseJob>(description).channels, shared);
}

function oneChannel(c: i32): void {
  const job = changetype<DepthwiseJob>(load<usize>(JOB));
  const planes = job.planes;
  const pass = changetype<DepthwisePass>(job.passes);
  const sums = job.scratch + thread() * job.scratchBytes;
  const copy = sums + resultBytes;
  const sourcePlane = (<usize>(planes.height * planes.width)) << 2;
  const gw = job.target + ((<usize>(c * job.kernel)) << 2);
  memory.fill(gw, 0, (<usize>job.kernel) << 2);
  for (let p = c; p < job.planeCount; p += job.channels) {
    const source = job.source + p * sourcePlane;
    if (!planes.direct) copyPlanes(planes, source, 1, 0, job.rows, copy);
    const pixels = planes.direct ? source : copy;
    addTaps(pass, pixels, job.weights + p * job.targetPlane, gw, sums);
  }
}

/** gw[t] += Σ g·x over one plane, for every tap. `sums` has room for the results of a tile. */
export function addTaps(pass: DepthwisePass, pixels: usize, g: usize, gw: usize, sums: usize): void {
  for (let t = 0; t < pass.taps; t += 5) fiveTaps(pass, t, pixels, g, gw, sums);
}

function fiveTaps(pass: DepthwisePass, first: i32, pixels: usize, g: usize, gw: usize, sums: usize): void {
  const count = min(5, pass.taps - first);
  const list = pass.list + (<usize>first) * tapBytes;
  // Taps that do not exist repeat the first tap, and their sums are not stored.
  const t0 = pixels + load<usize>(list, OFFSET);
  const t1 = pixels + load<usize>(list + (count > 1 ? tapBytes : 0), OFFSET);
  const t2 = pixels + load<usize>(list + (count > 2 ? 2 * tapBytes : 0), OFFSET);
  const t3 = pixels + load<usize>(list + (count > 3 ? 3 * tapBytes : 0), OFFSET);
  const t4 = pixels + load<usize>(list + (count > 4 ? 4 * tapBytes : 0), OFFSET);
  fiveDots(pass, g, t0, t1, t2, t3, t4, sums);
  for (let t = 0; t < count; t++) add(gw, load<usize>(list + t * tapBytes), sums + t * runBytes);
}

@inline
function add(gw: usize, index: usize, sum: usize): void {
  const at = gw + (index << 2);
  let lanes = v128.load(sum);
  if (CONV_RUN > 4) lanes = f32x4.add(lanes, v128.load(sum, 16));
  store<f32>(at, load<f32>(at) + laneSum(lanes));
}
