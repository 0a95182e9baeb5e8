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
import { RELU, RELU6, normaliseRow } from "./normalise-row";
import { panelTile } from "./panel-tile";
import { sameWindow } from "./same-window";
import { loadLanes, storeLanes } from "./simd";
import { strideTwoWindow } from "./stride-two-window";
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
/** Windows that same-window.ts and stride-two-window.ts compute. */
export const SAME = 1, STRIDE_TWO = 2;
export const cacheLine: usize = 64;

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
  /** The rows of x that the band reads. */
  sourceRow: i32;
  sourceRows: i32;
}

const bandBytes = offsetof<Band>();

/** What the window reads, and the bands that its results are divided into. The host writes it for both kernels. Distances are in bytes. */
@unmanaged
export class WindowInput {
  planes: Planes;
  x: usize;
  xImage: usize;
  /** w:[C][Kh·Kw]. */
  weights: usize;
  kernel: i32;
  /** Which file computes the window: `SAME`, `STRIDE_TWO`, or 0 for depthwise.ts. */
  kind: i32;
  channels: i32;
  /** [channel] of four float32, the scale, the shift and the centre of a norm before the window; 0 without a norm. */
  coefficients: usize;
  /** The activation between the norm and the window: 1 is relu, 2 is relu6. */
  activation: i32;
  /** Room that a thread needs for the normalised rows of a band of a plane. */
  rowsBytes: usize;
  /** A list of `Band`. */
  bands: usize;
  bandCount: i32;
}

/** What the host writes. Distances are in bytes. */
@unmanaged
export class SeparableJob {
  input: WindowInput;
  /** P, packed as [O/4][C][4]. */
  packedMap: usize;
  y: usize;
  /** What is added to y; 0 for nothing. */
  addend: usize;
  yImage: usize;
  yPlane: usize;
  outChannels: i32;
  scratch: usize;
  scratchBytes: usize;
}

/** Runs the job that the host has written at `description`: one chunk for each band of each image. */
export function separable(description: usize, images: i32, shared: bool): void {
  store<usize>(JOB, description);
  parallel(oneBand, images * changetype<SeparableJob>(description).input.bandCount, shared);
}

function oneBand(index: i32): void {
  const job = changetype<SeparableJob>(load<usize>(JOB));
  const input = job.input;
  const channels = input.channels;
  const image = index / input.bandCount;
  const band = changetype<Band>(input.bands + (index % input.bandCount) * bandBytes);
  const corner = job.scratch + thread() * job.scratchBytes;
  const panels = corner + resultBytes + tileBytes;
  const rows = panels + paddedPanels(band.panels) * panelBytes(channels);
  windowPanels(input, image, band, panels, rows, rows + input.rowsBytes);
  const before = image * job.yImage;
  const addend = job.addend == 0 ? 0 : job.addend + before;
  multiplyPanels(band, panels, channels, job.packedMap, job.outChannels, job.y + before, addend, job.yPlane, corner);
}

/** The window writes six runs at a time, so a list of panels ends with room for three. */
@inline
export function paddedPanels(panels: i32): i32 {
  return ((panels + 2) / 3) * 3;
}

/**
 * Rows [first, first + count) of a plane of x as the window sees them. Without a norm they are the plane itself. With a norm they are written
 * to `rows`, where the window finds them in the first-level cache. The result is the address that the plane would have.
 */
@inline
export function windowSource(input: WindowInput, channel: i32, x: usize, first: i32, count: i32, rows: usize): usize {
  if (input.coefficients == 0) return x;
  const width = input.planes.width;
  const before = (<usize>(first * width)) << 2;
  const coefficients = input.coefficients + ((<usize>channel) << 4);
  // Kernels read the pixel before a row, and drop it.
  const target = rows + cacheLine;
  if (input.activation == RELU) normaliseRow(x + before, target, count * width, coefficients, RELU);
  else normaliseRow(x + before, target, count * width, coefficients, RELU6);
  return target - before;
}

/**
 * w ∗ x of one band of an image, as panels. `rows` has room for the normalised rows of a plane where there is a norm, and `copy` for a padded
 * copy of a plane where `planes` need one.
 */
export function windowPanels(input: WindowInput, image: i32, band: Band, panels: usize, rows: usize, copy: usize): void {
  const planes = input.planes;
  const planeBytes = (<usize>(planes.height * planes.width)) << 2;
  const step = panelBytes(input.channels);
  let x = input.x + image * input.xImage, weights = input.weights;
  for (let c = 0; c < input.channels; c++, x += planeBytes, panels += lineBytes, weights += (<usize>input.kernel) << 2) {
    const source = windowSource(input, c, x, band.sourceRow, band.sourceRows, rows);
    if (input.kind == SAME) sameWindow(source, planes.height, planes.width, band.firstRow, band.rows, weights, panels, step);
    else if (input.kind == STRIDE_TWO) strideTwoWindow(source, planes.width, band.firstRow, band.rows, weights, panels, step);
    else generalWindow(planes, source, band, weights, panels, step, copy);
  }
}

function generalWindow(planes: Planes, x: usize, band: Band, weights: usize, panels: usize, step: usize, copy: usize): void {
  let pixels = x + ((<usize>(band.firstRow * planes.width)) << 2);
  if (!planes.direct) {
    copyPlanes(planes, x, 1, band.firstRow, band.planeRows, copy);
    pixels = copy;
  }
  const pass = band.pass;
  const end = pass.vectors + (<usize>(paddedPanels(band.panels) * 2)) * vectorBytes;
  for (let vector = pass.vectors; vector < end; vector += depthwiseVectors * vectorBytes, panels += 3 * step)
    sixRuns(pass, weights, pixels, vector, panels, step);
}

/**
 * target[o] = Σ_c map[o,c]·panels[c] + addend[o] at the pixels of the band. `map` is packed as [rows of four][channels][4]. The addend lies as
 * the target does; an address of 0 stands for none.
 */
export function multiplyPanels(
  band: Band, panels: usize, channels: i32, map: usize, outChannels: i32, target: usize, addend: usize, plane: usize, corner: usize,
): void {
  const beyond = addend - target;
  const step = panelBytes(channels);
  const blockBytes = ((<usize>channels) * ROWS) << 2;
  for (let o = 0; o < outChannels; o += ROWS, map += blockBytes, target += ROWS * plane) {
    const rows = min(ROWS, outChannels - o);
    let panel = panels, vector = band.pass.vectors;
    for (let i = 0; i < band.panels; i++, panel += step, vector += 2 * vectorBytes) {
      if (band.whole && rows == ROWS) {
        const to = target + load<usize>(vector, TARGET);
        panelTile(channels, map, panel, to, plane, addend == 0 ? 0 : to + beyond);
        continue;
      }
      panelTile(channels, map, panel, corner, lineBytes, 0);
      for (let row = 0; row < rows; row++) {
        const from = corner + row * lineBytes, to = target + row * plane;
        const first = to + load<usize>(vector, TARGET), second = to + load<usize>(vector + vectorBytes, TARGET);
        storeRun(from, first, addend == 0 ? 0 : first + beyond, load<i32>(vector, LANES));
        storeRun(from + runBytes, second, addend == 0 ? 0 : second + beyond, load<i32>(vector + vectorBytes, LANES));
      }
    }
  }
}

@inline
function storeRun(from: usize, to: usize, addend: usize, lanes: i32): void {
  storeSum(from, to, addend, lanes);
  if (CONV_RUN > 4) storeSum(from + 16, to + 16, addend == 0 ? 0 : addend + 16, lanes - 4);
}

@inline
function storeSum(from: usize, to: usize, addend: usize, lanes: i32): void {
  const sum = v128.load(from);
  storeLanes(to, addend == 0 || lanes <= 0 ? sum : f32x4.add(sum, loadLanes(addend, lanes)), lanes);
}
