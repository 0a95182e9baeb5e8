/**
 * The depthwise window of most networks, 3×3 with stride 1 and padding 1, on planes whose rows are whole runs of pixels. It reads a plane
 * where it lies: the rows above and below are a row of zeros, and masks take the place of the columns at the sides. The general kernels
 * (depthwise.ts) make a padded copy of every plane first, and read every pixel nine times.
 */

import { resultBytes, runBytes } from "./depthwise";
import { fourRows, nineDots, oneRow } from "./same-window-tile";
import { laneSum, zero } from "./simd";

/** A row of the padding: a run, and the pixels at both of its sides. */
const zeros: usize = memory.data(64, 64);
/** Masks of the pixels to the left of a run: `atLeft` where its first pixel is the first of the row. The same for the right side. */
const atLeft: usize = memory.data<i32>([0, -1, -1, -1, -1, -1, -1, -1, -1], 16);
const notAtLeft: usize = atLeft + 4;
const notAtRight: usize = memory.data<i32>([-1, -1, -1, -1, -1, -1, -1, -1, 0], 16) + (CONV_RUN == 4 ? 16 : 0);
const atRight: usize = notAtRight + 4;

/** Bytes that `sameWindowDots` needs for its sums. */
export const nineSumsBytes: usize = 9 * runBytes;

/**
 * w ∗ x for rows [first, first + count) of a plane of `height` rows. Two runs of results are neighbours, and the next two lie `step` bytes
 * further.
 */
export function sameWindow(x: usize, height: i32, width: i32, first: i32, count: i32, weights: usize, target: usize, step: usize): void {
  const rowBytes = (<usize>width) << 2;
  const runs = width / CONV_RUN;
  // The distance of a run of results to the run below it, from the first run of a pair and from the second one.
  const fromFirst = (<usize>(runs >> 1)) * step + (runs & 1 ? runBytes : 0);
  const fromSecond = (<usize>((runs + 1) >> 1)) * step - (runs & 1 ? runBytes : 0);
  for (let run = 0; run < runs; run++) {
    const left = run == 0 ? atLeft : notAtLeft, right = run == runs - 1 ? atRight : notAtRight;
    const even = run & 1 ? fromSecond : fromFirst, odd = run & 1 ? fromFirst : fromSecond;
    let at = x + (<usize>first) * rowBytes + (<usize>run) * runBytes - 4;
    let to = target + (<usize>(run >> 1)) * step + (run & 1 ? runBytes : 0);
    let row = first;
    const end = first + count;
    for (; row + 4 <= end; row += 4, at += 4 * rowBytes, to += 2 * (even + odd)) {
      const above = row == 0 ? zeros : at - rowBytes, below = row + 4 == height ? zeros : at + 4 * rowBytes;
      fourRows(above, at, below, rowBytes, left, right, to, even, odd, weights);
    }
    for (let i = 0; row < end; row++, i++, at += rowBytes) {
      const above = row == 0 ? zeros : at - rowBytes, below = row + 1 == height ? zeros : at + rowBytes;
      oneRow(above, at, below, rowBytes, left, right, to, even, odd, weights);
      to += i & 1 ? odd : even;
    }
  }
}

/** gw[t] += Σ g·x over a plane of at least two rows, for each of the nine taps. */
export function sameWindowDots(x: usize, g: usize, height: i32, width: i32, gw: usize, sums: usize): void {
  const rowBytes = (<usize>width) << 2;
  const runs = width / CONV_RUN;
  for (let at: usize = 0; at < nineSumsBytes; at += 16) v128.store(sums + at, zero());
  for (let run = 0; run < runs; run++) {
    const from = (<usize>run) * runBytes;
    const left = run == 0 ? atLeft : notAtLeft, right = run == runs - 1 ? atRight : notAtRight;
    nineDots(zeros, x + from - 4, g + from, height, rowBytes, left, right, sums);
  }
  for (let t: usize = 0; t < 9; t++, gw += 4, sums += runBytes) {
    const lanes = CONV_RUN > 4 ? f32x4.add(v128.load(sums), v128.load(sums, 16)) : v128.load(sums);
    store<f32>(gw, load<f32>(gw) + laneSum(lanes));
  }
}

/** The weights of the input gradient: those of the window in reverse order. */
export function reverseWeights(weights: usize, target: usize): void {
  for (let t: usize = 0; t < 9; t++) store<f32>(target + (t << 2), load<f32>(weights + ((8 - t) << 2)));
}
