/**
 * The innermost loops one by one, for the host to time. A tile of single vectors, which no engine can join, is the measure. A tile of pairs
 * is about twice as fast per multiply-add where the engine joins the pairs, and at best as fast where the engine does not.
 */

import { convTile } from "./conv-tile";
import { dotsOfRuns } from "./conv-dots";
import { gemmTile } from "./gemm-tile";
import { singleTile } from "./single-tile";

const STEPS: i32 = 96;
const ROW: usize = 1024;

/**
 * Runs loop `tile` (0 single vectors, 1 matrix multiplication, 2 convolution, 3 weight gradient) `calls` times on the 32 KB at `memory`.
 * Returns its multiply-adds. The first 384 bytes of `memory` are a table of offsets.
 */
export function probe(tile: i32, memory: usize, calls: i32): i32 {
  const a = memory + 1024, b = memory + 4096, c = memory + 12288;
  for (let call = 0; call < calls; call++) {
    if (tile == 0) singleTile(STEPS, a, b, c, ROW, false);
    else if (tile == 1) gemmTile(STEPS, a, b, c, ROW, false);
    else if (tile == 2) convTile(STEPS, memory, a, b, b + (CONV_RUN << 2), c, c + (CONV_RUN << 2), ROW);
    else dotsOfRuns(memory, STEPS, b, ROW, 2 * ROW, 3 * ROW, 0, a, a + 4, 0, 1, c);
  }
  const lanes = tile == 0 ? 8 * 4 : tile == 1 ? GEMM_ROWS * GEMM_COLUMNS : 8 * CONV_RUN;
  return calls * STEPS * lanes;
}
