/**
 * A depthwise window w and the map P behind it as one kernel: y = P·(w ∗ x) at every pixel, where w ∗ x is never stored.
 *
 * A piece is a band of an image. The window writes its results of a piece as the panels that a tile of the product reads: a panel is two
 * runs of neighbouring pixels of all channels, [channel][2 runs]. So the window does the packing, and the panels (at most 256 KB) stay in
 * the second-level cache until the product has read them. x is read once and y is written once (docs/derivations/separable.md).
 *
 * Panels lie a cache line further apart than they are long. Otherwise the lines of one channel would compete for a few places in the cache.
 */

import { Planes, copyPlanes } from "./conv-planes";
import { DepthwisePass, DepthwiseVector, resultBytes, runBytes } from "./depthwise";
import { sixRuns } from "./depthwise-tile";
import { panelTile } from "./panel-tile";
import { sameWindow } from "./same-window";
import { storeLanes } from "./simd";
import { JOB, parallel, thread } from "./team";
import { depthwiseVectors } from "../shared/sizes";

const vectorBytes = offsetof<DepthwiseVector>();
const TARGET = offsetof<DepthwiseVector>("target");
const LANES = offsetof<DepthwiseVector>("lanes");
/** Output channels of a tile. */
const ROWS = 4;
/** One channel of a panel. */
export const lineBytes: usize = 2 * runBytes;
const tileBytes: usize = ROWS * lineBytes;
const cacheLine: usize = 64;

/** Distance of two panels with so many channels. */
@inline
export function panelBytes(channels: i32): usize {
  return (<usize>channels) * lineBytes + cacheLine;
}

/** The pixels of a band, as the window's pass lists them: its vectors lie at `vectors`, two of them are a panel. */
@unmanaged
export class Band {
  /** The first row of the output, and the rows of every phase of x's planes that the band reads. */
  firstRow: i32;
  planeRows: i32;
  pass: DepthwisePass;
  panels: i32;
  /** The rows of the output. */
  rows: i32;
  /** 1 where the pixels of every panel exist and are neighbours in the output. */
  whole: i32;
}

const bandBytes = offsetof<Band>();

/** What the host writes. Distances are in bytes. */
@unmanaged
export class SeparableJob {
  planes: Planes;
  x: usize;
  xImage: usize;
  /** w:[C][Kh·Kw], and P packed as [O/4][C][4]. */
  window: usize;
  kernel: i32;
  /** 1 where same-window.ts computes the window. */
  same: i32;
  packedMap: usize;
  y: usize;
  yImage: usize;
  yPlane: usize;
  channels: i32;
  outChannels: i32;
  /** A list of `Band`. */
  bands: usize;
  bandCount: i32;
  scratch: usize;
  scratchBytes: usize;
}

/** Runs the job that the host has written at `description`: one chunk for each band of each image. */
export function separable(description: usize, images: i32, shared: bool): void {
  store<usize>(JOB, description);
  parallel(oneBand, images * changetype<SeparableJob>(description).bandCount, shared);
}

function oneBand(index: i32): void {
  const job = changetype<SeparableJob>(load<usize>(JOB));
  const image = index / job.bandCount;
  const band = changetype<Band>(job.bands + (index % job.bandCount) * bandBytes);
  const corner = job.scratch + thread() * job.scratchBytes;
  const panels = corner + resultBytes + tileBytes;
  const copy = panels + paddedPanels(band.panels) * panelBytes(job.channels);
  windowPanels(job.planes, job.x + image * job.xImage, band, job.channels, job.window, job.kernel, job.same, panels, copy);
  multiplyPanels(
    band, panels, job.channels, job.packedMap, job.outChannels, job.y + image * job.yImage, job.yPlane, corner,
  );
}

/** The window writes six runs at a time, so a list of panels ends with room for three. */
@inline
export function paddedPanels(panels: i32): i32 {
  return ((panels + 2) / 3) * 3;
}

/** w ∗ x of one band, as panels. */
export function windowPanels(
  planes: Planes, x: usize, band: Band, channels: i32, window: usize, kernel: i32, same: i32, panels: usize, copy: usize,
): void {
  const pass = band.pass;
  const planeBytes = (<usize>(planes.height * planes.width)) << 2;
  const step = panelBytes(channels);
  const end = pass.vectors + (<usize>(paddedPanels(band.panels) * 2)) * vectorBytes;
  for (let c = 0; c < channels; c++, x += planeBytes, panels += lineBytes, window += (<usize>kernel) << 2) {
    if (same) {
      sameWindow(x, planes.height, planes.width, band.firstRow, band.rows, window, panels, step);
      continue;
    }
    let pixels = x + ((<usize>(band.firstRow * planes.width)) << 2);
    if (!planes.direct) {
      copyPlanes(planes, x, 1, band.firstRow, band.planeRows, copy);
      pixels = copy;
    }
    for (let vector = pass.vectors, to = panels; vector < end; vector += depthwiseVectors * vectorBytes, to += 3 * step)
      sixRuns(pass, window, pixels, vector, to, step);
  }
}

/** target[o] = Σ_c map[o,c]·panels[c] at the pixels of the band. `map` is packed as [rows of four][channels][4]. */
export function multiplyPanels(
  band: Band, panels: usize, channels: i32, map: usize, outChannels: i32, target: usize, plane: usize, corner: usize,
): void {
  const step = panelBytes(channels);
  const blockBytes = ((<usize>channels) * ROWS) << 2;
  for (let o = 0; o < outChannels; o += ROWS, map += blockBytes, target += ROWS * plane) {
    const rows = min(ROWS, outChannels - o);
    let panel = panels, vector = band.pass.vectors;
    for (let i = 0; i < band.panels; i++, panel += step, vector += 2 * vectorBytes) {
      if (band.whole && rows == ROWS) {
        panelTile(channels, map, panel, target + load<usize>(vector, TARGET), plane, false);
        continue;
      }
      panelTile(channels, map, panel, corner, lineBytes, false);
      for (let row = 0; row < rows; row++) {
        const from = corner + row * lineBytes, to = target + row * plane;
        storeRun(from, to + load<usize>(vector, TARGET), load<i32>(vector, LANES));
        storeRun(from + runBytes, to + load<usize>(vector + vectorBytes, TARGET), load<i32>(vector + vectorBytes, LANES));
      }
    }
  }
}

@inline
function storeRun(from: usize, to: usize, lanes: i32): void {
  storeLanes(to, v128.load(from), lanes);
  if (CONV_RUN > 4) storeLanes(to + 16, v128.load(from, 16), lanes - 4);
}
