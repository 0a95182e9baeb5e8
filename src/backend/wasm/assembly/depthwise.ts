/**
 * Depthwise convolution: every channel has its own small kernel and uses no other channel, so there is no product of matrices to tile over.
 * Reading pixels bounds the speed: each multiply-add needs one load.
 *
 * A tile is 6 vectors of pixels of one channel: each tap broadcasts its weight once and reads 6 vectors (6 sums + 6 operands + 1 weight =
 * 13 registers, see gemm-tile.ts). The weight gradient exchanges the roles: it takes 5 taps against one vector of g. Planes and passes are
 * those of conv-planes.ts and conv-correlate.ts, one channel at a time, so a copy of a plane is used while it is in the first-level cache.
 */

import { Planes, copyPlanes } from "./conv-planes";
import { depthwiseVectors } from "../shared/sizes";
import { laneSum, multiplyAdd, storeLanes, zero } from "./simd";
import { JOB, parallel, thread } from "./team";

/** One tap: its position in the kernel of its channel, and its distance from a pixel in bytes. */
@unmanaged
export class DepthwiseTap {
  index: usize;
  offset: usize;
}

/**
 * Four neighbouring pixels: the byte offsets of their sources in the plane and of their results in the output plane, and how many of them
 * exist.
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
/** Room for the results of one tile. */
const resultBytes: usize = depthwiseVectors * 16;

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
    const pixels = planes.direct ? source : copy;
    for (let i = 0; i < job.passCount; i++) {
      const pass = changetype<DepthwisePass>(job.passes + i * passBytes);
      const endVector = pass.vectors + pass.vectorCount * vectorBytes;
      for (let vector = pass.vectors; vector < endVector; vector += depthwiseVectors * vectorBytes) {
        const count = <i32>min<usize>(depthwiseVectors, (endVector - vector) / vectorBytes);
        if (pass.contiguous && count == depthwiseVectors) {
          sixVectors(pass, weights, pixels, vector, target + load<usize>(vector, TARGET));
          continue;
        }
        sixVectors(pass, weights, pixels, vector, results);
        for (let v = 0; v < count; v++) put(target, vector + v * vectorBytes, pass.step, results + v * 16);
      }
    }
  }
}

function sixVectors(pass: DepthwisePass, weights: usize, pixels: usize, vector: usize, results: usize): void {
  const p0 = pixels + load<usize>(vector), p1 = pixels + load<usize>(vector, vectorBytes), p2 = pixels + load<usize>(vector, 2 * vectorBytes);
  const p3 = pixels + load<usize>(vector, 3 * vectorBytes), p4 = pixels + load<usize>(vector, 4 * vectorBytes), p5 = pixels + load<usize>(vector, 5 * vectorBytes);
  let s0 = zero(), s1 = zero(), s2 = zero(), s3 = zero(), s4 = zero(), s5 = zero();
  const end = pass.list + (<usize>pass.taps) * tapBytes;
  for (let tap = pass.list; tap < end; tap += tapBytes) {
    const w = v128.load32_splat(weights + (load<usize>(tap) << 2));
    const offset = load<usize>(tap, OFFSET);
    s0 = multiplyAdd(w, v128.load(p0 + offset), s0);
    s1 = multiplyAdd(w, v128.load(p1 + offset), s1);
    s2 = multiplyAdd(w, v128.load(p2 + offset), s2);
    s3 = multiplyAdd(w, v128.load(p3 + offset), s3);
    s4 = multiplyAdd(w, v128.load(p4 + offset), s4);
    s5 = multiplyAdd(w, v128.load(p5 + offset), s5);
  }
  v128.store(results, s0);
  v128.store(results, s1, 16);
  v128.store(results, s2, 32);
  v128.store(results, s3, 48);
  v128.store(results, s4, 64);
  v128.store(results, s5, 80);
}

@inline
function put(target: usize, vector: usize, step: i32, result: usize): void {
  const at = target + load<usize>(vector, TARGET);
  const lanes = load<i32>(vector, LANES);
  if (step == 1) storeLanes(at, v128.load(result), lanes);
  else for (let lane = 0; lane < lanes; lane++) store<f32>(at + ((<usize>(lane * step)) << 2), load<f32>(result + ((<usize>lane) << 2)));
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
  const copy = job.scratch + thread() * job.scratchBytes;
  const sourcePlane = (<usize>(planes.height * planes.width)) << 2;
  const gw = job.target + ((<usize>(c * job.kernel)) << 2);
  memory.fill(gw, 0, (<usize>job.kernel) << 2);
  for (let p = c; p < job.planeCount; p += job.channels) {
    const source = job.source + p * sourcePlane;
    if (!planes.direct) copyPlanes(planes, source, 1, 0, job.rows, copy);
    const pixels = planes.direct ? source : copy;
    for (let t = 0; t < pass.taps; t += 5) fiveTaps(pass, t, pixels, job.weights + p * job.targetPlane, gw);
  }
}

function fiveTaps(pass: DepthwisePass, first: i32, pixels: usize, g: usize, gw: usize): void {
  const count = min(5, pass.taps - first);
  const list = pass.list + (<usize>first) * tapBytes;
  // Taps that do not exist repeat the first tap, and their sums are not stored.
  const t0 = pixels + load<usize>(list, OFFSET), t1 = pixels + load<usize>(list + (count > 1 ? tapBytes : 0), OFFSET);
  const t2 = pixels + load<usize>(list + (count > 2 ? 2 * tapBytes : 0), OFFSET), t3 = pixels + load<usize>(list + (count > 3 ? 3 * tapBytes : 0), OFFSET);
  const t4 = pixels + load<usize>(list + (count > 4 ? 4 * tapBytes : 0), OFFSET);
  let s0 = zero(), s1 = zero(), s2 = zero(), s3 = zero(), s4 = zero();
  const end = pass.vectors + pass.vectorCount * vectorBytes;
  for (let vector = pass.vectors; vector < end; vector += vectorBytes) {
    const from = load<usize>(vector);
    const lanes = load<i32>(vector, LANES);
    let gs = v128.load(g + load<usize>(vector, TARGET));
    let x0 = v128.load(t0 + from), x1 = v128.load(t1 + from), x2 = v128.load(t2 + from), x3 = v128.load(t3 + from), x4 = v128.load(t4 + from);
    if (lanes < 4) {
      // Both factors are masked, because a NaN behind the end of the row times zero would still be NaN.
      const mask = i32x4.gt_s(i32x4.splat(lanes), i32x4(0, 1, 2, 3));
      gs = v128.and(gs, mask);
      x0 = v128.and(x0, mask);
      x1 = v128.and(x1, mask);
      x2 = v128.and(x2, mask);
      x3 = v128.and(x3, mask);
      x4 = v128.and(x4, mask);
    }
    s0 = multiplyAdd(gs, x0, s0);
    s1 = multiplyAdd(gs, x1, s1);
    s2 = multiplyAdd(gs, x2, s2);
    s3 = multiplyAdd(gs, x3, s3);
    s4 = multiplyAdd(gs, x4, s4);
  }
  add(gw, load<usize>(list), s0);
  if (count > 1) add(gw, load<usize>(list, tapBytes), s1);
  if (count > 2) add(gw, load<usize>(list, 2 * tapBytes), s2);
  if (count > 3) add(gw, load<usize>(list, 3 * tapBytes), s3);
  if (count > 4) add(gw, load<usize>(list, 4 * tapBytes), s4);
}

@inline
function add(gw: usize, index: usize, sums: v128): void {
  const at = gw + (index << 2);
  store<f32>(at, load<f32>(at) + laneSum(sums));
}
