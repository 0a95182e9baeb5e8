/**
 * y[o, p] = Σ over taps t of w[o, t] · source[p + offset(t)]: one kernel for the convolution and for its input gradient.
 *
 * The forward pass is a single pass over all taps. The input gradient of stride 1 is a forward pass of g with the weights
 * transposed and flipped. With stride s, input pixels of one residue class (mod s) receive from the same subset of taps, and within
 * the class it is again a stride-1 correlation. So there are s·s passes: each has its own taps and writes every s-th pixel.
 *
 * One chunk is a band of rows of one image (the whole image where the batch is large). It copies the planes, then runs the tiles over
 * them. Output channels are the outermost loop, over as many rows as keep their input in the first-level cache.
 */

import { Planes, copyPlanes } from "./conv-planes";
import { convTile } from "./conv-tile";
import { storeLanes } from "./simd";
import { JOB, parallel, thread } from "./team";

/** What the host writes for each pass. Distances are in bytes unless a field says otherwise. */
@unmanaged
export class CorrelatePass {
  taps: i32;
  /** Offset of each tap from a pixel's address, channel included. */
  offsets: usize;
  /** Packed [group][channel block][tap][4]. */
  weights: usize;
  weightsGroup: usize;
  rows: i32;
  columns: i32;
  target: usize;
  targetRow: usize;
  /** In elements: 1, or the stride of an input gradient. */
  targetColumn: i32;
}

@unmanaged
export class CorrelateJob {
  planes: Planes;
  source: usize;
  sourceImage: usize;
  target: usize;
  targetImage: usize;
  targetPlane: usize;
  groups: i32;
  channels: i32;
  outChannels: i32;
  passes: usize;
  passCount: i32;
  bands: i32;
  bandRows: i32;
  /** Rows of the planes that a band needs beyond its own. */
  extraRows: i32;
  scratch: usize;
  scratchBytes: usize;
}

const passBytes = offsetof<CorrelatePass>();
/** Pixels of a run. A tile is 4 output channels × 2 runs (tiles.mjs). */
const RUN = CONV_RUN;
const runBytes: usize = RUN << 2;
const sumsBytes: usize = 8 * runBytes;

/** The pixels of a run, for the host. */
export const convRun: i32 = RUN;
/** What a run of tiles may read of the planes: about a first-level cache. */
const cacheBytes: usize = 32768;

/** Runs the job that the host has written at `description`: images × bands chunks. */
export function correlate(description: usize, images: i32, shared: bool): void {
  store<usize>(JOB, description);
  parallel(band, images * changetype<CorrelateJob>(description).bands, shared);
}

function band(index: i32): void {
  const job = changetype<CorrelateJob>(load<usize>(JOB));
  const planes = job.planes;
  const image = index / job.bands;
  const first = (index % job.bands) * job.bandRows;
  const rows = job.bandRows + job.extraRows;
  const sums = job.scratch + thread() * job.scratchBytes;
  const copy = sums + sumsBytes;
  const rowBytes = (<usize>planes.pitch) << 2;
  const perRow = rowBytes * job.channels * planes.phaseCount;
  const runRows = max(1, <i32>min(<usize>job.bandRows, cacheBytes / perRow) - job.extraRows);

  for (let group = 0; group < job.groups; group++) {
    const source = job.source + image * job.sourceImage + (<usize>(group * job.channels * planes.height * planes.width) << 2);
    let pixels = copy;
    if (planes.direct) pixels = source + first * rowBytes;
    else copyPlanes(planes, source, job.channels, first, rows, copy);
    const target = job.target + image * job.targetImage + group * job.outChannels * job.targetPlane;
    for (let p = 0; p < job.passCount; p++) {
      const pass = changetype<CorrelatePass>(job.passes + p * passBytes);
      const end = min(pass.rows - first, job.bandRows);
      for (let from = 0; from < end; from += runRows) run(job, pass, group, pixels, target, first, from, min(end, from + runRows), sums);
    }
  }
}

/** All output channels over rows [from, to) of the band. */
function run(
  job: CorrelateJob, pass: CorrelatePass, group: i32, pixels: usize, target: usize, first: i32, from: i32, to: i32, sums: usize,
): void {
  const rowBytes = (<usize>job.planes.pitch) << 2;
  const columns = pass.columns;
  const blockBytes = (<usize>pass.taps) << 4;
  let weights = pass.weights + group * pass.weightsGroup;
  for (let o = 0; o < job.outChannels; o += 4, weights += blockBytes) {
    const valid = min(4, job.outChannels - o);
    const plane = target + pass.target + o * job.targetPlane;
    let row = from, column = 0;
    while (row < to) {
      const row0 = row, column0 = column;
      column += RUN;
      if (column >= columns) {
        column = 0;
        row++;
      }
      const pair = row < to;
      const row1 = pair ? row : row0, column1 = pair ? column : column0;
      const pixels0 = pixels + row0 * rowBytes + ((<usize>column0) << 2);
      const pixels1 = pixels + row1 * rowBytes + ((<usize>column1) << 2);
      const to0 = plane + (first + row0) * pass.targetRow, to1 = plane + (first + row1) * pass.targetRow;
      if (valid == 4 && pass.targetColumn == 1 && column0 + RUN <= columns && column1 + RUN <= columns) {
        // An odd run at the end is computed and stored twice, to the same place.
        convTile(
          pass.taps, pass.offsets, weights, pixels0, pixels1,
          to0 + ((<usize>column0) << 2), to1 + ((<usize>column1) << 2), job.targetPlane,
        );
      } else {
        convTile(pass.taps, pass.offsets, weights, pixels0, pixels1, sums, sums + runBytes, 2 * runBytes);
        put(job, pass, to0, column0, valid, sums);
        if (pair) put(job, pass, to1, column1, valid, sums + runBytes);
      }
      column += RUN;
      if (column >= columns) {
        column = 0;
        row++;
      }
    }
  }
}

/** One run of each channel from the tile's sums to its row of the output. */
@inline
function put(job: CorrelateJob, pass: CorrelatePass, row: usize, column: i32, channels: i32, sums: usize): void {
  const count = min(RUN, pass.columns - column);
  const step = pass.targetColumn;
  let at = row + ((<usize>(column * step)) << 2);
  for (let o = 0; o < channels; o++, at += job.targetPlane, sums += 2 * runBytes) {
    if (step == 1) {
      storeLanes(at, v128.load(sums), count);
      if (RUN > 4) storeLanes(at + 16, v128.load(sums, 16), count - 4);
    } else for (let i = 0; i < count; i++) store<f32>(at + ((<usize>(i * step)) << 2), load<f32>(sums + ((<usize>i) << 2)));
  }
}

/** What the host writes at JOB to have weights packed. Distances in w are in elements. */
@unmanaged
export class PackJob {
  source: usize;
  target: usize;
  /** The taps to pack, in order: their positions in a kernel of w. */
  taps: usize;
  tapCount: i32;
  /** Channels of one group. */
  outChannels: i32;
  inChannels: i32;
  /** Distances in w of output channels, of input channels and of groups: they say which of the channel axes of w is the output. */
  strideOut: i32;
  strideIn: i32;
  groupStride: i32;
  /** Blocks of four output channels in one group. */
  blocks: i32;
}

/**
 * Copies weights to [group][block of 4 output channels][input channel][tap][4]. Element (o, c, t) of a group stands at
 * o·strideOut + c·strideIn + taps[t] in w.
 */
export function packWeights(groups: i32, shared: bool): void {
  parallel(packBlock, groups * changetype<PackJob>(JOB).blocks, shared);
}

function packBlock(index: i32): void {
  const job = changetype<PackJob>(JOB);
  const o = (index % job.blocks) << 2;
  const valid = min(4, job.outChannels - o);
  const source = job.source + ((<usize>((index / job.blocks) * job.groupStride + o * job.strideOut)) << 2);
  const step = (<usize>job.strideOut) << 2;
  let to = job.target + ((<usize>index * job.inChannels * job.tapCount) << 4);
  for (let c = 0; c < job.inChannels; c++) {
    const channel = source + ((<usize>(c * job.strideIn)) << 2);
    for (let t = 0; t < job.tapCount; t++, to += 16) {
      const from = channel + ((<usize>load<i32>(job.taps + ((<usize>t) << 2))) << 2);
      store<f32>(to, load<f32>(from));
      store<f32>(to, valid > 1 ? load<f32>(from + step) : 0, 4);
      store<f32>(to, valid > 2 ? load<f32>(from + step * 2) : 0, 8);
      store<f32>(to, valid > 3 ? load<f32>(from + step * 3) : 0, 12);
    }
  }
}
