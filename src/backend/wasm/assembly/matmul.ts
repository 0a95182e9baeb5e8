/**
 * C[b] = A[b]·B[b], any of the four transposes, in blocks that fit the caches.
 *
 * One chunk computes one block of C. The host chooses the size of the blocks (host/matmul.ts): at most 128 rows × 512 columns, or × 1024
 * where B is packed once. A chunk takes BLOCK_K steps of k at a time: it packs the A and the B of these steps and runs the tiles over them.
 * One panel of B (8 × 256 floats, 8 KB; 16 KB in the wide build) stays in the first-level cache while the packed block of A (up to
 * 128 × 256 floats, 128 KB) streams past it from the second-level cache. The packed block of B takes up to 512 × 256 floats (512 KB). Where
 * few blocks of rows read the same B, each of them packs it again, because making all threads wait for a common packing phase would cost
 * more. Where many do, B is packed once for all of them: nine times over, packing took a fifth of a product of 1024 × 1024 matrices.
 */

import { gemmTile } from "./gemm-tile";
import { packPanel, storeCorner } from "./gemm-pack";
import { JOB, parallel, thread } from "./team";

const BLOCK_K = 256;
const ROWS = GEMM_ROWS, COLUMNS = GEMM_COLUMNS;
const cornerBytes: usize = (ROWS * COLUMNS) << 2;
/** Bytes of one step of k in a panel of A and of B. */
const stepA: usize = ROWS << 2, stepB: usize = COLUMNS << 2;

/** The size of a tile, for the host. */
export const gemmRows: i32 = ROWS;
export const gemmColumns: i32 = COLUMNS;

/** Panels of `width` that `count` rows or columns take. */
@inline
function panels(count: i32, width: i32): i32 {
  return (count + width - 1) / width;
}

/** What the host writes at JOB. Strides are in bytes. */
@unmanaged
export class MatmulJob {
  a: usize;
  b: usize;
  c: usize;
  /** Working memory: `scratchBytes` for each thread, at least `matmulScratch` of them. */
  scratch: usize;
  scratchBytes: usize;
  m: i32;
  k: i32;
  n: i32;
  /** Distances of one step along m, k or n. */
  strideAm: usize;
  strideAk: usize;
  strideBk: usize;
  strideBn: usize;
  /** Distances of neighbouring matrices of the batch. */
  batchA: usize;
  batchB: usize;
  /** Rows and columns of a block of C, and how many blocks there are along m and n. */
  blockM: i32;
  blockN: i32;
  blocksM: i32;
  blocksN: i32;
  /** The whole of B, packed by `packRight`: [matrix][steps of k][panel of all columns][step][COLUMNS]. 0 where each block packs its own. */
  packedB: usize;
}

const job = changetype<MatmulJob>(JOB);

/** Runs the job that the host has written: one chunk for each block of C of each matrix. */
export function matmul(batch: i32, shared: bool): void {
  parallel(block, batch * job.blocksM * job.blocksN, shared);
}

/** Packs B for all blocks. The host calls this function before `matmul` where the job has room for it. One chunk is one panel of columns. */
export function packRight(batch: i32, shared: bool): void {
  parallel(packColumns, batch * panels(job.n, COLUMNS), shared);
}

function packColumns(index: i32): void {
  const n = job.n, k = job.k;
  const perMatrix = panels(n, COLUMNS);
  const batch = index / perMatrix;
  const j = (index % perMatrix) * COLUMNS;
  const from = job.b + (<usize>batch) * job.batchB + (<usize>j) * job.strideBn;
  for (let k0 = 0; k0 < k; k0 += BLOCK_K) {
    const to = packedPanel(batch, k0, j);
    packPanel(from + (<usize>k0) * job.strideBk, job.strideBk, job.strideBn, min(BLOCK_K, k - k0), min(COLUMNS, n - j), COLUMNS, to);
  }
}

/** Where the panel of the columns from j on and of the steps from k0 on lies in B as `packRight` packs it. */
@inline
function packedPanel(batch: i32, k0: i32, j: i32): usize {
  const rowBytes = (<usize>panels(job.n, COLUMNS)) * stepB;
  return job.packedB + (<usize>(batch * job.k + k0)) * rowBytes + (<usize>min(BLOCK_K, job.k - k0)) * ((<usize>j) << 2);
}

/** The bytes of a packed B of one matrix. */
export function packedRightBytes(k: i32, n: i32): usize {
  return (<usize>(k * panels(n, COLUMNS))) * stepB;
}

/** The working memory of one block in bytes: packed A, packed B (with `blockN` 0: none), and one tile for the edges of C. */
export function matmulScratch(blockM: i32, blockN: i32, k: i32): usize {
  const depth = min(k, BLOCK_K);
  return (<usize>(panels(blockM, ROWS) * depth)) * stepA + (<usize>(panels(blockN, COLUMNS) * depth)) * stepB + cornerBytes;
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
    const packedA = corner + cornerBytes;
    const ownB = packedA + (<usize>(panels(rows, ROWS) * depth)) * stepA;
    const panelBytesA = (<usize>depth) * stepA, panelBytesB = (<usize>depth) * stepB;
    for (let i = 0, to = packedA; i < rows; i += ROWS, to += panelBytesA) {
      const from = a + (<usize>k0) * job.strideAk + (<usize>i) * job.strideAm;
      packPanel(from, job.strideAk, job.strideAm, depth, min(ROWS, rows - i), ROWS, to);
    }
    let packedB = ownB;
    if (job.packedB != 0) packedB = packedPanel(batch, k0, j0);
    else for (let j = 0, to = ownB; j < columns; j += COLUMNS, to += panelBytesB) {
      const from = b + (<usize>k0) * job.strideBk + (<usize>j) * job.strideBn;
      packPanel(from, job.strideBk, job.strideBn, depth, min(COLUMNS, columns - j), COLUMNS, to);
    }

    const accumulate = k0 > 0;
    for (let j = 0, panelB = packedB; j < columns; j += COLUMNS, panelB += panelBytesB) {
      const width = min(COLUMNS, columns - j);
      for (let i = 0, panelA = packedA; i < rows; i += ROWS, panelA += panelBytesA) {
        const height = min(ROWS, rows - i);
        const at = c + (<usize>i) * rowC + ((<usize>j) << 2);
        if (width == COLUMNS && height == ROWS) gemmTile(depth, panelA, panelB, at, rowC, accumulate);
        else {
          gemmTile(depth, panelA, panelB, corner, stepB, false);
          storeCorner(corner, at, rowC, height, width, accumulate);
        }
      }
    }
  }
}
