/**
 * C[b] = A[b]·B[b], any of the four transposes, in blocks that fit the caches.
 *
 * One chunk computes a block of C, at most BLOCK_M × BLOCK_N, on its own: it packs the A and B it needs for BLOCK_K steps of k and runs
 * the tiles. B's panel (8 × 256 floats, 8 KB) stays in the first-level cache while A's packed block (up to 240 × 256, 240 KB)
 * streams past it from the second. Packing B once per block of rows is repeated work of about 1/BLOCK_M of the arithmetic: cheaper
 * than making all threads meet after a common packing phase.
 */

import { tile4x8 } from "./gemm-tile";
import { packPanel, storeCorner } from "./gemm-pack";
import { JOB, parallel, thread } from "./team";

const BLOCK_K = 256;

@unmanaged
class MatmulJob {
  a: usize;
  b: usize;
  c: usize;
  scratch: usize;
  scratchBytes: usize;
  m: i32;
  k: i32;
  n: i32;
  /** Byte distances of one step along m, k or n. */
  strideAm: usize;
  strideAk: usize;
  strideBk: usize;
  strideBn: usize;
  batchA: usize;
  batchB: usize;
  blockM: i32;
  blockN: i32;
  blocksM: i32;
  blocksN: i32;
}

const job = changetype<MatmulJob>(JOB);

/** The block sizes are the caller's (host's) choice by shape alone; it provides scratch of `scratchBytes` for each thread. */
export function matmul(
  a: usize, b: usize, c: usize, scratch: usize, scratchBytes: usize,
  batch: i32, m: i32, k: i32, n: i32, transposeA: bool, transposeB: bool, batchStrideA: i32, batchStrideB: i32,
  blockM: i32, blockN: i32, shared: bool,
): void {
  job.a = a;
  job.b = b;
  job.c = c;
  job.scratch = scratch;
  job.scratchBytes = scratchBytes;
  job.m = m;
  job.k = k;
  job.n = n;
  job.strideAm = transposeA ? 4 : (<usize>k) << 2;
  job.strideAk = transposeA ? (<usize>m) << 2 : 4;
  job.strideBk = transposeB ? 4 : (<usize>n) << 2;
  job.strideBn = transposeB ? (<usize>k) << 2 : 4;
  job.batchA = (<usize>batchStrideA) << 2;
  job.batchB = (<usize>batchStrideB) << 2;
  job.blockM = blockM;
  job.blockN = blockN;
  job.blocksM = (m + blockM - 1) / blockM;
  job.blocksN = (n + blockN - 1) / blockN;
  parallel(block, batch * job.blocksM * job.blocksN, shared);
}

/** Bytes a block needs beside C: packed A, packed B, and one tile for the edges. */
export function matmulScratch(blockM: i32, blockN: i32, k: i32): usize {
  const depth = min(k, BLOCK_K);
  return (<usize>((((blockM + 3) & ~3) + ((blockN + 7) & ~7)) * depth + 32)) << 2;
}

function block(index: i32): void {
  const m = job.m, n = job.n, k = job.k;
  const perMatrix = job.blocksM * job.blocksN;
  const batch = index / perMatrix;
  const within = index % perMatrix;
  const i0 = (within / job.blocksN) * job.blockM;
  const j0 = (within % job.blocksN) * job.blockN;
  const rows = min(job.blockM, m - i0), columns = min(job.blockN, n - j0);
  const rowC = (<usize>n) << 2;
  const a = job.a + (<usize>batch) * job.batchA + (<usize>i0) * job.strideAm;
  const b = job.b + (<usize>batch) * job.batchB + (<usize>j0) * job.strideBn;
  const c = job.c + (((<usize>batch) * m + i0) * n + j0) * 4;
  const scratch = job.scratch + thread() * job.scratchBytes;

  for (let k0 = 0; k0 < k; k0 += BLOCK_K) {
    const depth = min(BLOCK_K, k - k0);
    const corner = scratch;
    const packedA = corner + 128;
    const packedB = packedA + ((<usize>(((rows + 3) & ~3) * depth)) << 2);
    for (let i = 0, to = packedA; i < rows; i += 4, to += (<usize>depth) << 4)
      packPanel(a + (<usize>k0) * job.strideAk + (<usize>i) * job.strideAm, job.strideAk, job.strideAm, depth, min(4, rows - i), 4, to);
    for (let j = 0, to = packedB; j < columns; j += 8, to += (<usize>depth) << 5)
      packPanel(b + (<usize>k0) * job.strideBk + (<usize>j) * job.strideBn, job.strideBk, job.strideBn, depth, min(8, columns - j), 8, to);

    const accumulate = k0 > 0;
    for (let j = 0, panelB = packedB; j < columns; j += 8, panelB += (<usize>depth) << 5) {
      const width = min(8, columns - j);
      for (let i = 0, panelA = packedA; i < rows; i += 4, panelA += (<usize>depth) << 4) {
        const height = min(4, rows - i);
        const at = c + (<usize>i) * rowC + ((<usize>j) << 2);
        if (width == 8 && height == 4) tile4x8(depth, panelA, panelB, at, rowC, accumulate);
        else {
          tile4x8(depth, panelA, panelB, corner, 32, false);
          storeCorner(corner, at, rowC, height, width, accumulate);
        }
      }
    }
  }
}
