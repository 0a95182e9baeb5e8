/**
 * The weight gradient of a 3×3 convolution with stride 1 by Winograd's F(3×3, 2×2): a 2×2 window of the cotangent takes the role of the
 * weights (docs/derivations/winograd.md).
 *
 *   M[ξ] = Σ over windows of (G·g·Gᵀ)[ξ] ⊗ (Bᵀ·d·B)[ξ] for each of the 16 places ξ, gw = Aᵀ·M·A
 *
 * Each M[ξ] is a matrix product O × windows × C. A piece is as many windows as keep the sums of a tile busy: a few small images, or a
 * band of rows of a large one. Its windows are transformed along rows and then packed across channels for the tile.
 *
 * A chunk takes a range of pieces and writes its own partial gw. The ranges depend on the shape alone, as in conv-weight-gradient.
 */

import { Planes, copyEvenAndOdd } from "./conv-planes";
import { packPanel } from "./gemm-pack";
import { gemmTile } from "./gemm-tile";
import { zero } from "./simd";
import { JOB, parallel, thread } from "./team";
import { cotangentOfQuad, cotangentOfRun, inputOfQuad, inputOfRun } from "./winograd-tile";
import { transformGradient } from "./winograd-transforms";

const ROWS = GEMM_ROWS, COLUMNS = GEMM_COLUMNS;
const panelRow: usize = COLUMNS << 2;
const tileBytes: usize = ROWS * panelRow;
/** Quads that are transformed together where they are neighbours. */
const RUN = CONV_RUN >> 2;

/** What the host writes. Distances are in bytes. */
@unmanaged
export class WinogradGradientJob {
  planesX: Planes;
  planesG: Planes;
  x: usize;
  xImage: usize;
  g: usize;
  gImage: usize;
  /** [range of pieces][O][C][3][3] */
  partial: usize;
  partialBytes: usize;
  channels: i32;
  outChannels: i32;
  images: i32;
  imagesAtOnce: i32;
  /** Bands of an image, and the rows of a band, which are even. */
  bands: i32;
  bandRows: i32;
  pieces: i32;
  piecesPerRange: i32;
  /** Distances of two places where windows are transformed, in the packed x, in the packed g and in M. */
  stepStage: usize;
  stepX: usize;
  stepG: usize;
  stepM: usize;
  scratch: usize;
  scratchBytes: usize;
  /** The kernel writes 1 where a result is NaN or infinite. */
  nonFinite: i32;
}

/** Runs the job that the host has written at `description`. */
export function winogradWeightGradient(description: usize, ranges: i32, shared: bool): void {
  store<usize>(JOB, description);
  parallel(range, ranges, shared);
}

function range(index: i32): void {
  const job = changetype<WinogradGradientJob>(load<usize>(JOB));
  const stage = job.scratch + thread() * job.scratchBytes;
  const packedX = stage + 16 * job.stepStage;
  const packedG = packedX + 16 * job.stepX;
  const m = packedG + 16 * job.stepG;
  const copy = m + 16 * job.stepM;
  const firstPiece = index * job.piecesPerRange;
  const endPiece = min(job.pieces, firstPiece + job.piecesPerRange);
  const panels = (job.channels + COLUMNS - 1) / COLUMNS, blocks = (job.outChannels + ROWS - 1) / ROWS;
  for (let piece = firstPiece; piece < endPiece; piece++) {
    const image = (piece / job.bands) * job.imagesAtOnce;
    const images = min(job.imagesAtOnce, job.images - image);
    const first = (piece % job.bands) * job.bandRows;
    const windows = images * (job.bandRows >> 1) * job.planesG.pitch;
    pack(
      job, job.planesX, job.x + image * job.xImage, job.xImage, job.channels, images, first, COLUMNS, windows, stage,
      packedX, job.stepX, copy,
    );
    pack(
      job, job.planesG, job.g + image * job.gImage, job.gImage, job.outChannels, images, first, ROWS, windows, stage,
      packedG, job.stepG, copy,
    );
    const panelX = (<usize>windows) * panelRow, panelG = (<usize>(windows * ROWS)) << 2;
    for (let place: usize = 0; place < 16; place++) {
      let to = m + place * job.stepM, g = packedG + place * job.stepG;
      for (let block = 0; block < blocks; block++, g += panelG) {
        let x = packedX + place * job.stepX;
        for (let panel = 0; panel < panels; panel++, x += panelX, to += tileBytes)
          gemmTile(windows, g, x, to, panelRow, piece > firstPiece);
      }
    }
  }
  let finite = zero();
  const partial = job.partial + index * job.partialBytes;
  for (let o = 0; o < job.outChannels; o++) {
    const row = m + (<usize>((o / ROWS) * panels)) * tileBytes + (<usize>(o % ROWS)) * panelRow;
    for (let c = 0; c < job.channels; c += 4) {
      const from = row + (<usize>(c / COLUMNS)) * tileBytes + ((<usize>(c % COLUMNS)) << 2);
      finite = transformGradient(from, job.stepM, partial + (<usize>((o * job.channels + c) * 36)), job.channels - c, finite);
    }
  }
  if (v128.any_true(f32x4.ne(finite, finite))) job.nonFinite = 1;
}

/** Transforms the windows of all channels, and packs them as panels of `width` channels: COLUMNS for x, or ROWS for g. */
@inline
function pack(
  job: WinogradGradientJob, planes: Planes, source: usize, imageBytes: usize, channels: i32, images: i32, first: i32,
  width: i32, windows: i32, stage: usize, packed: usize, step: usize, copy: usize,
): void {
  const rowBytes = (<usize>planes.pitch) << 2;
  const windowBytes = (<usize>windows) << 2;
  const perRow = job.planesG.pitch >> 2;
  const planeBytes = (<usize>(planes.height * planes.width)) << 2;
  for (let c = 0; c < channels; c += width, packed += windowBytes * width) {
    for (let i = 0, to = stage; i < min(width, channels - c); i++) {
      for (let image = 0; image < images; image++) {
        const from = source + image * imageBytes + (c + i) * planeBytes;
        const planeRows = width == COLUMNS ? job.bandRows + 2 : job.bandRows;
        copyEvenAndOdd(planes, from, 1, first, planeRows, copy);
        const odd = planeRows * rowBytes;
        for (let row = 0, line = copy; row < job.bandRows; row += 2, line += 2 * rowBytes) {
          let at = line;
          const end = line + ((<usize>perRow) << 4);
          if (RUN > 1) {
            for (; at + (RUN << 4) <= end; at += RUN << 4, to += RUN << 4)
              if (width == COLUMNS) inputOfRun(at, at + odd, rowBytes, to, job.stepStage);
              else cotangentOfRun(at, at + odd, rowBytes, to, job.stepStage);
          }
          for (; at < end; at += 16, to += 16)
            if (width == COLUMNS) inputOfQuad(at, at + odd, rowBytes, to, job.stepStage);
            else cotangentOfQuad(at, at + odd, rowBytes, to, job.stepStage);
        }
      }
    }
    // The channels that the last panel lacks are zeros.
    const existing = windowBytes * min(width, channels - c);
    for (let place: usize = 0; place < 16; place++) {
      memory.fill(stage + place * job.stepStage + existing, 0, windowBytes * width - existing);
      packPanel(stage + place * job.stepStage, 4, windowBytes, windows, width, width, packed + place * step);
    }
  }
}
