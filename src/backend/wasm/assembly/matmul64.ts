/**
 * C[b] = A[b]·B[b] in float64. A chunk is four columns of C. The chunk packs these columns of B, and then computes four rows at a time: 4×4
 * sums in eight vectors. A is read where it lies, whatever its strides. At the edges of C, the last row stands in for missing rows and
 * zeros for missing columns. Their sums are not stored.
 */

import { multiplyAdd2 } from "./double-math";
import { MatmulJob } from "./matmul";
import { JOB, parallel, thread } from "./team";

const job = changetype<MatmulJob>(JOB);
const SIDE = 4;
/** Bytes of one step of k in the packed columns. */
const STEP: usize = SIDE << 3;

@inline
function zero(): v128 {
  return f64x2.splat(0);
}

/** Writes the first `columns` of a row of sums. */
@inline
function storeRow(c: usize, low: v128, high: v128, columns: i32): void {
  if (columns == SIDE) {
    v128.store(c, low);
    v128.store(c, high, 16);
    return;
  }
  v128.store_lane<f64>(c, low, 0);
  if (columns > 1) v128.store_lane<f64>(c, low, 1, 8);
  if (columns > 2) v128.store_lane<f64>(c, high, 0, 16);
}

function packColumns(b: usize, columns: i32, to: usize): void {
  for (let k = 0; k < job.k; k++, b += job.strideBk, to += STEP)
    for (let j = 0; j < SIDE; j++) store<f64>(to + ((<usize>j) << 3), j < columns ? load<f64>(b + <usize>j * job.strideBn) : 0);
}

function columnsOf(chunk: i32): void {
  const blocks = job.blocksN;
  const batch = chunk / blocks, first = (chunk % blocks) * SIDE;
  const columns = min(SIDE, job.n - first);
  const packed = job.scratch + thread() * job.scratchBytes;
  packColumns(job.b + <usize>batch * job.batchB + <usize>first * job.strideBn, columns, packed);
  const rowC = (<usize>job.n) << 3, step = job.strideAk, row = job.strideAm;
  const end = packed + <usize>job.k * STEP;
  for (let i = 0; i < job.m; i += SIDE) {
    const rows = min(SIDE, job.m - i);
    let a0 = job.a + <usize>batch * job.batchA + <usize>i * row;
    let a1 = a0 + <usize>min(1, rows - 1) * row, a2 = a0 + <usize>min(2, rows - 1) * row, a3 = a0 + <usize>(rows - 1) * row;
    let c00 = zero(), c01 = zero(), c10 = zero(), c11 = zero(), c20 = zero(), c21 = zero(), c30 = zero(), c31 = zero();
    for (let b = packed; b < end; b += STEP, a0 += step, a1 += step, a2 += step, a3 += step) {
      const b0 = v128.load(b), b1 = v128.load(b, 16);
      const x0 = v128.load64_splat(a0);
      c00 = multiplyAdd2(x0, b0, c00);
      c01 = multiplyAdd2(x0, b1, c01);
      const x1 = v128.load64_splat(a1);
      c10 = multiplyAdd2(x1, b0, c10);
      c11 = multiplyAdd2(x1, b1, c11);
      const x2 = v128.load64_splat(a2);
      c20 = multiplyAdd2(x2, b0, c20);
      c21 = multiplyAdd2(x2, b1, c21);
      const x3 = v128.load64_splat(a3);
      c30 = multiplyAdd2(x3, b0, c30);
      c31 = multiplyAdd2(x3, b1, c31);
    }
    const c = job.c + (<usize>batch * job.m + i) * rowC + ((<usize>first) << 3);
    storeRow(c, c00, c01, columns);
    if (rows > 1) storeRow(c + rowC, c10, c11, columns);
    if (rows > 2) storeRow(c + 2 * rowC, c20, c21, columns);
    if (rows > 3) storeRow(c + 3 * rowC, c30, c31, columns);
  }
}

/** Runs the job that the host has written. */
export function matmul64(batch: i32, shared: bool): void {
  parallel(columnsOf, batch * job.blocksN, shared);
}
