/**
 * A depthwise window and the stages behind it as one kernel: the stages of D = w ∗ x, where D is never stored (docs/derivations/contractions.md).
 *
 * A tile is a band of an image. The window writes its rows where channel-stages.ts would copy rows of x to, so D costs no pass over memory.
 * The gradient computes D of a tile again. It keeps the cotangent of D for one image, and the window takes x̄ and w̄ from there while it is in
 * a cache. The window is 3×3 with padding 1 and stride 1 or 2, on rows that are whole runs. The host composes other windows.
 */

import { StagesJob, applyStages, clearPartials, firstSource, stagesGradient } from "./channel-stages";
import { runBytes } from "./depthwise";
import { addNineSums, nineSumsBytes, reverseWeights, sameWindow, sameWindowDots } from "./same-window";
import { Band, SAME, WindowInput, cacheLine, windowSource } from "./separable";
import { maskedSource } from "./separable-gradient";
import { strideTwoDots, strideTwoInputGradient, strideTwoWindow } from "./stride-two-window";
import { JOB, parallel, thread } from "./team";

const bandBytes = offsetof<Band>();

/** What the host writes. Distances are in bytes. */
@unmanaged
export class WindowStagesJob {
  input: WindowInput;
  /** Its tiles are the bands of the input. The gradient of its x is the cotangent of D, whose rows lie `dPlane` apart. */
  stages: StagesJob;
  xGradient: usize;
  /** [range of images][C][3·3]. */
  partialWindow: usize;
  windowBytes: usize;
  images: i32;
  imagesPerRange: i32;
  /** Bytes of the sums of w̄ for all channels, whose lanes are apart for a whole range; 0 with stride 2, which has none. */
  nineBytes: usize;
  dPlane: usize;
  /** [row] of two float64, the sums that the gradient of a norm before the window needs, and the last value with slope 1. */
  sums: usize;
  slopeEnd: f32;
  /** A thread's room for the normalised rows of a plane, the sums of w̄, the weights of the transposed window, and the cotangent of D. */
  scratch: usize;
  scratchBytes: usize;
}

/** Room for the weights of the transposed window. */
const reversedBytes: usize = 64;

/** Runs the job that the host has written at `description`: one chunk for each band of each image. */
export function contractWindow(description: usize, shared: bool): void {
  store<usize>(JOB, description);
  parallel(forwardBand, changetype<WindowStagesJob>(description).stages.tiles, shared);
}

/** The same for the gradients: one chunk for each range of images. */
export function contractWindowGradient(description: usize, ranges: i32, shared: bool): void {
  store<usize>(JOB, description);
  parallel(backwardImages, ranges, shared);
}

function forwardBand(tile: i32): void {
  const job = changetype<WindowStagesJob>(load<usize>(JOB));
  const stages = job.stages, bands = job.input.bandCount;
  const scratch = stages.scratch + thread() * stages.scratchBytes;
  const image = tile / bands, band = tile % bands;
  windowRows(job, image, band, scratch + firstSource(stages), job.scratch + thread() * job.scratchBytes);
  applyStages(stages, image, band * stages.tileColumns, 1, scratch);
}

/** D of a band of an image, row by row of its channels. `rows` has room for the normalised rows of a plane where there is a norm. */
function windowRows(job: WindowStagesJob, image: i32, index: i32, target: usize, rows: usize): void {
  const input = job.input, planes = input.planes;
  const band = changetype<Band>(input.bands + index * bandBytes);
  const planeBytes = (<usize>(planes.height * planes.width)) << 2;
  let x = input.x + image * input.xImage, weights = input.weights;
  for (let c = 0; c < input.channels; c++, x += planeBytes, weights += 9 << 2, target += job.stages.pitch) {
    const source = windowSource(input, c, x, band.sourceRow, band.sourceRows, rows);
    if (input.kind == SAME) sameWindow(source, planes.height, planes.width, band.firstRow, band.rows, weights, target, 2 * runBytes);
    else strideTwoWindow(source, planes.width, band.firstRow, band.rows, weights, target, 2 * runBytes);
  }
}

function backwardImages(range: i32): void {
  const job = changetype<WindowStagesJob>(load<usize>(JOB));
  const stages = job.stages, bands = job.input.bandCount;
  const scratch = stages.scratch + thread() * stages.scratchBytes;
  const rows = job.scratch + thread() * job.scratchBytes;
  const nine = rows + job.input.rowsBytes;
  const cotangent = nine + job.nineBytes + reversedBytes;
  let window = job.partialWindow + range * job.windowBytes;
  clearPartials(stages, range);
  memory.fill(window, 0, job.windowBytes);
  memory.fill(nine, 0, job.nineBytes);
  const end = min(job.images, (range + 1) * job.imagesPerRange);
  for (let image = range * job.imagesPerRange; image < end; image++) {
    for (let band = 0; band < bands; band++) {
      const column = band * stages.tileColumns;
      windowRows(job, image, band, scratch + firstSource(stages), rows);
      stagesGradient(stages, image, column, 1, scratch, range, cotangent + ((<usize>column) << 2));
    }
    windowGradients(job, image, cotangent, window, nine, rows);
  }
  for (let at: usize = 0; at < job.nineBytes; at += nineSumsBytes, window += 9 << 2) addNineSums(nine + at, window);
}

/**
 * From the cotangent of D of one image: w̄ is added to `window` or to `nine`, and x̄ is written. A norm before the window gets the cotangent of
 * its own result as x̄.
 */
function windowGradients(job: WindowStagesJob, image: i32, cotangent: usize, window: usize, nine: usize, rows: usize): void {
  const input = job.input, planes = input.planes;
  const height = planes.height, width = planes.width;
  const planeBytes = (<usize>(height * width)) << 2;
  const reversed = nine + job.nineBytes;
  let x = input.x + image * input.xImage, xGradient = job.xGradient + image * input.xImage, weights = input.weights;
  for (let c = 0; c < input.channels; c++) {
    if (input.kind == SAME) {
      reverseWeights(weights, reversed);
      sameWindow(cotangent, height, width, 0, height, reversed, xGradient, 2 * runBytes);
    } else strideTwoInputGradient(cotangent, height >> 1, width >> 1, weights, xGradient);
    const sums = job.sums + ((<usize>(image * input.channels + c)) << 4);
    const source = input.coefficients == 0 ? x : maskedSource(input, c, x, xGradient, rows + cacheLine, sums, job.slopeEnd);
    if (input.kind == SAME) {
      sameWindowDots(source, cotangent, height, width, nine);
      nine += nineSumsBytes;
    } else strideTwoDots(source, cotangent, height, width, window);
    x += planeBytes;
    xGradient += planeBytes;
    cotangent += job.dPlane;
    weights += 9 << 2;
    window += 9 << 2;
  }
}
