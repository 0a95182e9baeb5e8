/**
 * The depthwise window of layers that halve an image: 3×3 with stride 2 and padding 1, on planes of even height and width. A plane is read
 * where it lies. The general kernels (depthwise.ts) first copy the even and the odd columns of every plane apart, and that copy takes longer
 * than the window.
 *
 * Output (i, j) takes the rows 2i − 1, 2i and 2i + 1 of x, and of each row the columns 2j − 1, 2j and 2j + 1. For four outputs, two vectors
 * of a row are shuffled into the columns 2j and into the columns 2j + 1. The columns 2j − 1 are the columns 2j + 1 of the outputs before, so
 * they need one more shuffle and no load. The engine joins no shuffles of this kind, so nothing here is written in pairs.
 */

import { laneSum, multiplyAdd, zero } from "./simd";

/** Two vectors of a row outside the image. */
const zeros: usize = memory.data(32, 16);

/** Lanes 0 and 2 of both vectors: the columns 2j. */
@inline
function columnsAt(a: v128, b: v128): v128 {
  return v128.shuffle<f32>(a, b, 0, 2, 4, 6);
}

/** Lanes 1 and 3 of both vectors: the columns 2j + 1. */
@inline
function columnsRight(a: v128, b: v128): v128 {
  return v128.shuffle<f32>(a, b, 1, 3, 5, 7);
}

/** The columns 2j − 1: the last lane of the columns right of the outputs before, and the first three of these outputs. */
@inline
function columnsLeft(before: v128, right: v128): v128 {
  return v128.shuffle<f32>(before, right, 3, 4, 5, 6);
}

/** The four lanes behind the first one of `a`, where `b` follows. */
@inline
function nextLanes(a: v128, b: v128): v128 {
  return v128.shuffle<f32>(a, b, 1, 2, 3, 4);
}

@inline
function weight(weights: usize, tap: usize): v128 {
  return v128.load32_splat(weights + (tap << 2));
}

/** The address of row `row` of a plane, or of zeros where `row` is −1. */
@inline
function rowOrZeros(plane: usize, row: i32, rowBytes: usize): usize {
  return row < 0 ? zeros : plane + (<usize>row) * rowBytes;
}

/**
 * w ∗ x for rows [first, first + count) of the output, from a plane with rows of `width` pixels. The results are written as panels: 2 runs
 * of pixels are neighbours, and the next two lie `step` bytes further. The rows of the output are whole runs.
 */
export function strideTwoWindow(x: usize, width: i32, first: i32, count: i32, weights: usize, target: usize, step: usize): void {
  const rowBytes = (<usize>width) << 2;
  const gap = step - (CONV_RUN << 3);
  let panelEnd = target + (CONV_RUN << 3);
  for (let i = first; i < first + count; i++) {
    const above = rowOrZeros(x, 2 * i - 1, rowBytes), stepAbove: usize = i == 0 ? 0 : 32;
    let row0 = above, row1 = x + (<usize>(2 * i)) * rowBytes;
    let before0 = zero(), before1 = zero(), before2 = zero();
    for (let j = 0; j < width; j += 8, row0 += stepAbove, row1 += 32) {
      let sum = zero();
      let a = v128.load(row0), b = v128.load(row0, 16);
      let right = columnsRight(a, b);
      sum = multiplyAdd(columnsLeft(before0, right), weight(weights, 0), sum);
      sum = multiplyAdd(columnsAt(a, b), weight(weights, 1), sum);
      sum = multiplyAdd(right, weight(weights, 2), sum);
      before0 = right;
      a = v128.load(row1), b = v128.load(row1, 16);
      right = columnsRight(a, b);
      let middle = multiplyAdd(columnsLeft(before1, right), weight(weights, 3), zero());
      middle = multiplyAdd(columnsAt(a, b), weight(weights, 4), middle);
      middle = multiplyAdd(right, weight(weights, 5), middle);
      before1 = right;
      a = v128.load(row1 + rowBytes), b = v128.load(row1 + rowBytes, 16);
      right = columnsRight(a, b);
      let below = multiplyAdd(columnsLeft(before2, right), weight(weights, 6), zero());
      below = multiplyAdd(columnsAt(a, b), weight(weights, 7), below);
      below = multiplyAdd(right, weight(weights, 8), below);
      before2 = right;
      v128.store(target, f32x4.add(f32x4.add(sum, middle), below));
      target += 16;
      if (target == panelEnd) {
        target += gap;
        panelEnd += step;
      }
    }
  }
}

/** gw[t] += Σ g·x over a plane of x of `height` × `width` pixels and one of g of half the height and width, for each of the nine taps. */
export function strideTwoDots(x: usize, g: usize, height: i32, width: i32, gw: usize): void {
  const rowBytes = (<usize>width) << 2;
  let s0 = zero(), s1 = zero(), s2 = zero(), s3 = zero(), s4 = zero(), s5 = zero(), s6 = zero(), s7 = zero(), s8 = zero();
  for (let i = 0; i < height; i += 2) {
    const stepAbove: usize = i == 0 ? 0 : 32;
    let row0 = rowOrZeros(x, i - 1, rowBytes), row1 = x + (<usize>i) * rowBytes;
    let before0 = zero(), before1 = zero(), before2 = zero();
    for (let j = 0; j < width; j += 8, row0 += stepAbove, row1 += 32, g += 16) {
      const four = v128.load(g);
      let a = v128.load(row0), b = v128.load(row0, 16);
      let right = columnsRight(a, b);
      s0 = multiplyAdd(columnsLeft(before0, right), four, s0);
      s1 = multiplyAdd(columnsAt(a, b), four, s1);
      s2 = multiplyAdd(right, four, s2);
      before0 = right;
      a = v128.load(row1), b = v128.load(row1, 16);
      right = columnsRight(a, b);
      s3 = multiplyAdd(columnsLeft(before1, right), four, s3);
      s4 = multiplyAdd(columnsAt(a, b), four, s4);
      s5 = multiplyAdd(right, four, s5);
      before1 = right;
      a = v128.load(row1 + rowBytes), b = v128.load(row1 + rowBytes, 16);
      right = columnsRight(a, b);
      s6 = multiplyAdd(columnsLeft(before2, right), four, s6);
      s7 = multiplyAdd(columnsAt(a, b), four, s7);
      s8 = multiplyAdd(right, four, s8);
      before2 = right;
    }
  }
  addTo(gw, s0);
  addTo(gw + 4, s1);
  addTo(gw + 8, s2);
  addTo(gw + 12, s3);
  addTo(gw + 16, s4);
  addTo(gw + 20, s5);
  addTo(gw + 24, s6);
  addTo(gw + 28, s7);
  addTo(gw + 32, s8);
}

@inline
function addTo(at: usize, sum: v128): void {
  store<f32>(at, load<f32>(at) + laneSum(sum));
}

/**
 * x̄ = wᵀ ∗ g, from a plane of g of `height` × `width` pixels, to one of twice the height and width. Four neighbouring pixels of g give two
 * rows of eight. With g′ the pixels to their right, and h and h′ those of the row below,
 *
 *   x̄[2i, 2j] = w₁₁g, x̄[2i, 2j+1] = w₁₂g + w₁₀g′, x̄[2i+1, 2j] = w₂₁g + w₀₁h, x̄[2i+1, 2j+1] = w₂₂g + w₂₀g′ + w₀₂h + w₀₀h′.
 */
export function strideTwoInputGradient(g: usize, height: i32, width: i32, weights: usize, target: usize): void {
  const rowBytes = (<usize>width) << 2;
  for (let i = 1; i <= height; i++, target += rowBytes << 1) {
    const stepBelow: usize = i == height ? 0 : 16;
    let row = g + (<usize>(i - 1)) * rowBytes, below = i == height ? zeros : row + rowBytes;
    let a = v128.load(row), b = v128.load(below);
    for (let j = 4; j <= width; j += 4, target += 32) {
      row += 16;
      below += stepBelow;
      const behindA = j == width ? zero() : v128.load(row), behindB = j == width ? zero() : v128.load(below);
      const nextA = nextLanes(a, behindA), nextB = nextLanes(b, behindB);
      const even0 = f32x4.mul(a, weight(weights, 4));
      const odd0 = multiplyAdd(nextA, weight(weights, 3), f32x4.mul(a, weight(weights, 5)));
      const even1 = multiplyAdd(b, weight(weights, 1), f32x4.mul(a, weight(weights, 7)));
      let odd1 = multiplyAdd(nextA, weight(weights, 6), f32x4.mul(a, weight(weights, 8)));
      odd1 = multiplyAdd(nextB, weight(weights, 0), multiplyAdd(b, weight(weights, 2), odd1));
      const lower = target + (rowBytes << 1);
      v128.store(target, v128.shuffle<f32>(even0, odd0, 0, 4, 1, 5));
      v128.store(target, v128.shuffle<f32>(even0, odd0, 2, 6, 3, 7), 16);
      v128.store(lower, v128.shuffle<f32>(even1, odd1, 0, 4, 1, 5));
      v128.store(lower, v128.shuffle<f32>(even1, odd1, 2, 6, 3, 7), 16);
      a = behindA;
      b = behindB;
    }
  }
}
