/**
 * The gradients of y = P·(w ∗ x) in one kernel, from x, w, P and the cotangent g of y (docs/derivations/separable.md). With D = w ∗ x:
 *
 *   P̄ = Σ g·Dᵀ, D̄ = Pᵀ·g, w̄ = Σ D̄ ⋆ x, x̄ = wᵀ ∗ D̄
 *
 * D is computed anew, because that costs less than to write it in the forward pass and to read it here. A group is a few small images, or
 * one large image in bands. D and g of a band are packed as panels (separable.ts), and D̄ is kept for the group. All three stay in the
 * second-level cache.
 *
 * A chunk takes a range of images and writes its own partial P̄ and w̄. The ranges depend on the shape alone, and the partial results are
 * added in their order (addPartials).
 */

import { Planes, copyPlanes } from "./conv-planes";
import { DepthwisePass, DepthwiseVector, addTaps, onePlane, resultBytes, runBytes } from "./depthwise";
import { panelDots } from "./panel-dots";
import { Band, SAME, STRIDE_TWO, WindowInput, cacheLine, lineBytes, multiplyPanels, paddedPanels, panelBytes, windowPanels } from "./separable";
import { productSum, rowNormalisedProducts } from "./row-sums";
import { addNineSums, nineSumsBytes, reverseWeights, sameWindow, sameWindowDots } from "./same-window";
import { copyVectors, loadLanes, storeLanes } from "./simd";
import { strideTwoDots, strideTwoInputGradient } from "./stride-two-window";
import { JOB, parallel, thread } from "./team";

const bandBytes = offsetof<Band>();
const vectorBytes = offsetof<DepthwiseVector>();
const TARGET = offsetof<DepthwiseVector>("target");
const LANES = offsetof<DepthwiseVector>("lanes");
/** Room for the sums of a tile: 2 × 4 dot products, or 4 output channels. */
const cornerBytes: usize = 8 * runBytes + resultBytes;
/** Room for the weights of the transposed window. */
const reversedBytes: usize = 64;

/** What the host writes. Distances are in bytes. */
@unmanaged
export class SeparableGradientJob {
  input: WindowInput;
  /** Pᵀ, packed as [C/4][O][4]. */
  packedMap: usize;
  g: usize;
  gImage: usize;
  gPlane: usize;
  xGradient: usize;
  /** [range of images][O][C] and [range of images][C][Kh·Kw]. */
  partialMap: usize;
  mapBytes: usize;
  partialWindow: usize;
  windowBytes: usize;
  outChannels: i32;
  /** The panels of the largest band. */
  bandPanels: i32;
  /** The window over a whole image: the rows of x's planes, and the pass that w̄ takes. */
  imageRows: i32;
  imagePass: DepthwisePass;
  /** [channel] of the sums of w̄, whose lanes are apart for a whole range; 0 bytes where another window has none. */
  nineBytes: usize;
  /** The passes of wᵀ over planes of D̄ that have `dRows` rows. */
  planesD: Planes;
  dRows: i32;
  passes: usize;
  passCount: i32;
  /** Distance of the channels of D̄. */
  dPlane: usize;
  /** [row] of two float64, the sums that the gradient of the norm before the window needs, and the last value with slope 1. */
  sums: usize;
  slopeEnd: f32;
  images: i32;
  imagesPerRange: i32;
  imagesAtOnce: i32;
  scratch: usize;
  scratchBytes: usize;
}

/** Runs the job that the host has written at `description`. */
export function separableGradient(description: usize, ranges: i32, shared: bool): void {
  store<usize>(JOB, description);
  parallel(range, ranges, shared);
}

/** Where a thread has the sums of w̄. */
@inline
function nineSumsOf(job: SeparableGradientJob): usize {
  return job.scratch + thread() * job.scratchBytes + cornerBytes + reversedBytes;
}

function range(index: i32): void {
  const job = changetype<SeparableGradientJob>(load<usize>(JOB));
  const map = job.partialMap + index * job.mapBytes;
  let window = job.partialWindow + index * job.windowBytes;
  memory.fill(map, 0, job.mapBytes);
  memory.fill(window, 0, job.windowBytes);
  const nine = nineSumsOf(job);
  memory.fill(nine, 0, job.nineBytes);
  const end = min(job.images, (index + 1) * job.imagesPerRange);
  for (let first = index * job.imagesPerRange; first < end; first += job.imagesAtOnce)
    group(job, first, min(end, first + job.imagesAtOnce), map, window);
  for (let at: usize = 0; at < job.nineBytes; at += nineSumsBytes, window += 9 << 2) addNineSums(nine + at, window);
}

/** Adds the gradients of images [first, end) to `map` and `window`, and writes their x̄. */
function group(job: SeparableGradientJob, first: i32, end: i32, map: usize, window: usize): void {
  const input = job.input;
  const channels = input.channels, outChannels = job.outChannels;
  const corner = job.scratch + thread() * job.scratchBytes;
  const d = nineSumsOf(job) + job.nineBytes;
  const stepD = panelBytes(channels), stepG = panelBytes(outChannels);
  const g = d + (<usize>((job.imagesAtOnce - 1) * job.bandPanels + paddedPanels(job.bandPanels))) * stepD;
  const dGradient = g + (<usize>(job.bandPanels * job.imagesAtOnce)) * stepG;
  const dImage = (<usize>channels) * job.dPlane;
  const rows = dGradient + job.imagesAtOnce * dImage;
  const copy = rows + input.rowsBytes;

  for (let b = 0; b < input.bandCount; b++) {
    const band = changetype<Band>(input.bands + b * bandBytes);
    let panels = 0;
    for (let image = first; image < end; image++, panels += band.panels) {
      const ofD = d + (<usize>panels) * stepD, ofG = g + (<usize>panels) * stepG;
      windowPanels(input, image, band, ofD, rows, copy);
      if (!band.whole) clearBehindRows(band, channels, ofD);
      packPanels(band, job.g + image * job.gImage, job.gPlane, outChannels, ofG);
      multiplyPanels(band, ofG, outChannels, job.packedMap, channels, dGradient + (image - first) * dImage, 0, job.dPlane, corner);
    }
    addProducts(panels, g, outChannels, d, channels, map, corner);
  }
  for (let image = first; image < end; image++)
    windowGradients(job, image, dGradient + (image - first) * dImage, window, corner, rows, copy);
}

/** Copies planes of a cotangent into panels. Pixels that do not exist are 0. */
function packPanels(band: Band, source: usize, plane: usize, channels: i32, panels: usize): void {
  const step = panelBytes(channels);
  for (let c = 0; c < channels; c++, source += plane, panels += lineBytes) {
    let to = panels, vector = band.pass.vectors;
    for (let i = 0; i < band.panels; i++, to += step, vector += 2 * vectorBytes) {
      if (band.whole) {
        copyVectors(source + load<usize>(vector, TARGET), to, CONV_RUN >> 1);
      } else {
        packRun(source, vector, to);
        packRun(source, vector + vectorBytes, to + runBytes);
      }
    }
  }
}

@inline
function packRun(source: usize, vector: usize, to: usize): void {
  const from = source + load<usize>(vector, TARGET), lanes = load<i32>(vector, LANES);
  v128.store(to, loadLanes(from, lanes));
  if (CONV_RUN > 4) v128.store(to, loadLanes(from + 16, lanes - 4), 16);
}

/** Writes 0 to the pixels of panels that do not exist: a NaN there times a 0 of the cotangent would still be NaN. */
function clearBehindRows(band: Band, channels: i32, panels: usize): void {
  const step = panelBytes(channels);
  let vector = band.pass.vectors;
  for (let i = 0; i < band.panels; i++, panels += step)
    for (let half: usize = 0; half < 2; half++, vector += vectorBytes) {
      const lanes = load<i32>(vector, LANES);
      if (lanes == CONV_RUN) continue;
      let at = panels + half * runBytes;
      for (let c = 0; c < channels; c++, at += lineBytes)
        for (let lane = lanes; lane < CONV_RUN; lane++) store<f32>(at + ((<usize>lane) << 2), 0);
    }
}

/** map[o, c] += Σ g[o]·d[c] over all pixels of the panels. */
function addProducts(panels: i32, g: usize, outChannels: i32, d: usize, channels: i32, map: usize, sums: usize): void {
  const stepG = panelBytes(outChannels), stepD = panelBytes(channels);
  for (let c = 0; c < channels; c += 4) {
    // Channels that do not exist repeat the last one, and their sums are not stored.
    const last = channels - 1;
    const d0 = d + (<usize>c) * lineBytes;
    const d1 = d + (<usize>min(c + 1, last)) * lineBytes;
    const d2 = d + (<usize>min(c + 2, last)) * lineBytes;
    const d3 = d + (<usize>min(c + 3, last)) * lineBytes;
    for (let o = 0; o < outChannels; o += 2) {
      const g0 = g + (<usize>o) * lineBytes, g1 = g + (<usize>min(o + 1, outChannels - 1)) * lineBytes;
      panelDots(panels, g0, g1, stepG, d0, d1, d2, d3, stepD, sums);
      const to = map + ((<usize>(o * channels + c)) << 2);
      addSums(to, sums, channels - c);
      if (o + 1 < outChannels) addSums(to + ((<usize>channels) << 2), sums + 4 * runBytes, channels - c);
    }
  }
}

/** Adds the lanes of each of four sums, and adds the four results to `to`. */
@inline
function addSums(to: usize, sums: usize, count: i32): void {
  const a = runSum(sums), b = runSum(sums + runBytes), c = runSum(sums + 2 * runBytes), d = runSum(sums + 3 * runBytes);
  const ab = f32x4.add(v128.shuffle<f32>(a, b, 0, 4, 1, 5), v128.shuffle<f32>(a, b, 2, 6, 3, 7));
  const cd = f32x4.add(v128.shuffle<f32>(c, d, 0, 4, 1, 5), v128.shuffle<f32>(c, d, 2, 6, 3, 7));
  const total = f32x4.add(v128.shuffle<f32>(ab, cd, 0, 1, 4, 5), v128.shuffle<f32>(ab, cd, 2, 3, 6, 7));
  storeLanes(to, f32x4.add(loadLanes(to, count), total), count);
}

/** The lanes of a run as one vector. */
@inline
function runSum(sum: usize): v128 {
  return CONV_RUN > 4 ? f32x4.add(v128.load(sum), v128.load(sum, 16)) : v128.load(sum);
}

/** From D̄ of one image: w̄ is added to `window`, and x̄ is written. A norm before the window gets the cotangent of its own result as x̄. */
function windowGradients(
  job: SeparableGradientJob, image: i32, dGradient: usize, window: usize, corner: usize, rows: usize, copy: usize,
): void {
  const input = job.input, planes = input.planes, planesD = job.planesD;
  const planeBytes = (<usize>(planes.height * planes.width)) << 2;
  const kernelBytes = (<usize>input.kernel) << 2;
  let x = input.x + image * input.xImage, xGradient = job.xGradient + image * input.xImage, weights = input.weights;
  for (let c = 0; c < input.channels; c++) {
    if (input.kind == SAME) {
      const reversed = corner + cornerBytes;
      reverseWeights(weights, reversed);
      sameWindow(dGradient, planes.height, planes.width, 0, planes.height, reversed, xGradient, 2 * runBytes);
    } else if (input.kind == STRIDE_TWO) {
      strideTwoInputGradient(dGradient, planes.height >> 1, planes.width >> 1, weights, xGradient);
    } else {
      if (!planesD.direct) copyPlanes(planesD, dGradient, 1, 0, job.dRows, copy);
      onePlane(job.passes, job.passCount, weights, planesD.direct ? dGradient : copy, xGradient, corner);
    }
    const sums = job.sums + ((<usize>(image * input.channels + c)) << 4);
    const source = input.coefficients == 0 ? x : maskedSource(input, c, x, xGradient, rows + cacheLine, sums, job.slopeEnd);
    if (input.kind == SAME) sameWindowDots(source, dGradient, planes.height, planes.width, nineSumsOf(job) + c * nineSumsBytes);
    else if (input.kind == STRIDE_TWO) strideTwoDots(source, dGradient, planes.height, planes.width, window);
    else {
      if (!planes.direct) copyPlanes(planes, source, 1, 0, job.imageRows, copy);
      addTaps(job.imagePass, planes.direct ? source : copy, dGradient, window, corner);
    }
    x += planeBytes;
    xGradient += planeBytes;
    dGradient += job.dPlane;
    weights += kernelBytes;
    window += kernelBytes;
  }
}

/**
 * The plane of x as the window sees it behind a norm, written to `y`. The same loop sets the cotangent g of the norm's result to 0 where the
 * activation has slope 0, and writes the two sums that the gradient of the norm needs (batch-norm.ts).
 */
export function maskedSource(input: WindowInput, channel: i32, x: usize, g: usize, y: usize, sums: usize, slopeEnd: f32): usize {
  const planes = input.planes;
  const coefficients = input.coefficients + ((<usize>channel) << 4);
  store<f64>(sums, rowNormalisedProducts(x, g, y, planes.height * planes.width, coefficients, input.activation, slopeEnd));
  store<f64>(sums, productSum, 8);
  return y;
}
