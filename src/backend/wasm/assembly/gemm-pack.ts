/**
 * Packing: copying a block of a matrix into the order in which a tile reads it.
 *
 * A panel is `width` rows of A (or columns of B) by k, stored [k][width]: the rows or columns of a tile. Packing costs one pass over the
 * block. Every tile then reads its panel from front to back. A transposed operand costs nothing more, because only the way the panel is
 * filled differs.
 */

import { copyVectors } from "./simd";

/**
 * One panel. Element (k, j) of it lies at source + k·strideK + j·strideJ bytes; one of the two strides is 4. Where fewer than
 * `width` elements exist (`valid`), zeros stand in, and the tile's surplus results are dropped.
 */
export function packPanel(source: usize, strideK: usize, strideJ: usize, k: i32, valid: i32, width: i32, panel: usize): void {
  if (valid == width) {
    if (strideJ == 4) return packAlong(source, strideK, k, width, panel);
    if (strideK == 4) return packAcross(source, strideJ, k, width, panel);
  }
  for (let i = 0; i < k; i++) {
    for (let j = 0; j < width; j++) {
      const value: f32 = j < valid ? load<f32>(source + (<usize>i) * strideK + (<usize>j) * strideJ) : 0;
      store<f32>(panel + ((<usize>j) << 2), value);
    }
    panel += (<usize>width) << 2;
  }
}

/** For a source in which the rows of the panel are contiguous: copies them. */
function packAlong(source: usize, strideK: usize, k: i32, width: i32, panel: usize): void {
  if (width == GEMM_COLUMNS) {
    for (let i = 0; i < k; i++, source += strideK, panel += GEMM_COLUMNS << 2) copyVectors(source, panel, GEMM_COLUMNS >> 2);
  } else {
    for (let i = 0; i < k; i++, source += strideK, panel += GEMM_ROWS << 2) {
      v128.store(panel, v128.load(source));
      if (GEMM_ROWS > 4) store<u64>(panel, load<u64>(source, 16), 16);
    }
  }
}

/** For a source that is contiguous along k: transposes four steps of k at a time, in registers. */
function packAcross(source: usize, strideJ: usize, k: i32, width: i32, panel: usize): void {
  const row = (<usize>width) << 2;
  const whole = k & ~3;
  for (let j = 0; j + 4 <= width; j += 4) {
    let from = source + (<usize>j) * strideJ;
    let to = panel + ((<usize>j) << 2);
    const second = strideJ, third = strideJ * 2, fourth = strideJ * 3;
    for (let i = 0; i < whole; i += 4, from += 16, to += row * 4) {
      const a = v128.load(from), b = v128.load(from + second), c = v128.load(from + third), d = v128.load(from + fourth);
      const ab = v128.shuffle<f32>(a, b, 0, 4, 1, 5), cd = v128.shuffle<f32>(c, d, 0, 4, 1, 5);
      const AB = v128.shuffle<f32>(a, b, 2, 6, 3, 7), CD = v128.shuffle<f32>(c, d, 2, 6, 3, 7);
      v128.store(to, v128.shuffle<f32>(ab, cd, 0, 1, 4, 5));
      v128.store(to + row, v128.shuffle<f32>(ab, cd, 2, 3, 6, 7));
      v128.store(to + row * 2, v128.shuffle<f32>(AB, CD, 0, 1, 4, 5));
      v128.store(to + row * 3, v128.shuffle<f32>(AB, CD, 2, 3, 6, 7));
    }
  }
  if ((width & 3) == 2) packTwoAcross(source + (<usize>(width - 2)) * strideJ, strideJ, whole, row, panel + ((<usize>(width - 2)) << 2));
  for (let i = whole; i < k; i++)
    for (let j = 0; j < width; j++)
      store<f32>(panel + (<usize>i) * row + ((<usize>j) << 2), load<f32>(source + ((<usize>i) << 2) + (<usize>j) * strideJ));
}

/** The last two rows of a panel of six, in the same way. */
function packTwoAcross(source: usize, strideJ: usize, k: i32, row: usize, panel: usize): void {
  for (let i = 0; i < k; i += 4, source += 16, panel += row * 4) {
    const a = v128.load(source), b = v128.load(source + strideJ);
    const low = v128.shuffle<f32>(a, b, 0, 4, 1, 5), high = v128.shuffle<f32>(a, b, 2, 6, 3, 7);
    v128.store_lane<u64>(panel, low, 0);
    v128.store_lane<u64>(panel + row, low, 1);
    v128.store_lane<u64>(panel + row * 2, high, 0);
    v128.store_lane<u64>(panel + row * 3, high, 1);
  }
}

/** Writes `rows`×`columns` of a tile's result kept aside in a buffer as wide as the tile: the ragged edge of C. */
export function storeCorner(tile: usize, c: usize, rowC: usize, rows: i32, columns: i32, accumulate: bool): void {
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++) {
      const at = c + (<usize>i) * rowC + ((<usize>j) << 2);
      const value = load<f32>(tile + ((<usize>(i * GEMM_COLUMNS + j)) << 2));
      store<f32>(at, accumulate ? load<f32>(at) + value : value);
    }
}
