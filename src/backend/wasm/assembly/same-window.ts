/**
 * The depthwise window of most networks, 3×3 with stride 1 and padding 1, on planes whose rows are whole runs of pixels. It reads a plane
 * where it lies: the rows above and below are a row of zeros, and masks take the place of the columns at the sides. The general kernels
 * (depthwise.ts) make a padded copy of every plane first, and read every pixel nine times.
 */

import { resultBytes, runBytes } from "./depthwise";
import { nineDots, oneRunDown, twoRunsDown } from "./same-window-tile";
import { laneSum } from "./simd";

/** A row of the padding: two runs, and the pixels at both sides of them. */
const zeros: usize = memory.data(128, 64);
/** Masks of the pixels to the left of a run: `atLeft` where its first pixel is the first of the row. The same for the right side. */
const atLeft: usize = memory.data<i32>([0, -1, -1, -1, -1, -1, -1, -1, -1], 16);
const notAtLeft: usize = atLeft + 4;
const notAtRight: usize = memory.data<i32>([-1, -1, -1, -1, -1, -1, -1, -1, 0], 16) + (CONV_RUN == 4 ? 16 : 0);
const atRight: usize = notAtRight + 4;

/** Bytes of the sums of `sameWindowDots`. */
export const nineSumsBytes: usize = 9 * runBytes;

/**
 * w ∗ x for rows [first, first + count) of a plane of `height` rows. Two runs of results are neighbours, and the next two lie `step` bytes
 * further.
 */
export function sameWindow(x: usize, height: i32, width: i32, first: i32, count: i32, weights: usize, target: usize, step: usize): void {
  const rowBytes = (<usize>width) << 2;
  const runs = width / CONV_RUN;
  const end = first + count;
  let at = x + (<usize>(first - 1)) * rowBytes - 4;
  if (!(runs & 1)) {
    const below = (<usize>(runs >> 1)) * step;
    for (let run = 0; run < runs; run += 2, at += 2 * runBytes, target += step) {
      const left = run == 0 ? atLeft : notAtLeft, right = run == runs - 2 ? atRight : notAtRight;
      twoRunsDown(zeros, at, height, rowBytes, first, end, left, right, target, below, below, weights);
    }
    return;
  }
  // Rows begin in turns with the first and with the second run of a pair.
  const fromFirst = (<usize>(runs >> 1)) * step + runBytes, fromSecond = (<usize>((runs + 1) >> 1)) * step - runBytes;
  for (let run = 0; run < runs; run++, at += runBytes) {
    const left = run == 0 ? atLeft : notAtLeft, right = run == runs - 1 ? atRight : notAtRight;
    const to = target + (<usize>(run >> 1)) * step;
    if (run & 1) oneRunDown(zeros, at, height, rowBytes, first, end, left, right, to + runBytes, fromSecond, fromFirst, weights);
    else oneRunDown(zeros, at, height, rowBytes, first, end, left, right, to, fromFirst, fromSecond, weights);
  }
}

/** Adds Σ g·x over a plane of at least two rows to `sums`, for each of the nine taps. The lanes stay apart until `addNineSums`. */
export function sameWindowDots(x: usize, g: usize, height: i32, width: i32, sums: usize): void {
  const rowBytes = (<usize>width) << 2;
  const runs = width / CONV_RUN;
  for (let run = 0; run < runs; run++) {
    const from = (<usize>run) * runBytes;
    const left = run == 0 ? atLeft : notAtLeft, right = run == runs - 1 ? atRight : notAtRight;
    nineDots(zeros, x + from - 4, g + from, height, rowBytes, left, right, sums);
  }
}

/** gw[t] += the lanes of each of the nine sums. */
export function addNineSums(sums: usize, gw: usize): void {
  for (let t: usize = 0; t < 9; t++, gw += 4, sums += runBytes) {
    const lanes = CONV_RUN > 4 ? f32x4.add(v128.load(sums), v128.load(sums, 16)) : v128.load(sums);
    store<f32>(gw, load<f32>(gw) + laneSum(lanes));
  }
}

/** The weights of the input gradient: those of the window in reverse order. */
export function reverseWeights(weights: usize, target: usize): void {
  for (let t: usize = 0; t < 9; t++) store<f32>(target + (t << 2), load<f32>(weights + ((8 - t) << 2)));
}
