/** Matrix multiplication: chooses the blocks by shape alone, so that results do not depend on the number of threads. */

import type { Storage } from "../../../tensor/storage.ts";
import type { Kernels, MatmulGeometry } from "../../kernels.ts";
import type { Acceptances } from "../../overlay.ts";
import { jobAddress } from "../shared/sizes.ts";
import { isFloat32, type Machine, sharedWork } from "./machine.ts";
import { writeStruct } from "./structs.ts";

const roundUp = (value: number, step: number): number => Math.ceil(value / step) * step;

/** So many chunks keep a few threads busy to the end. */
const enoughChunks = 8;
/** From so many blocks of rows on, they share one packed B (assembly/matmul.ts), unless it would take more than so many bytes. */
const sharingBlocks = 3;
const mostPackedBytes = 2 ** 26;
/**
 * The rows of a block, at most, and its columns: more of them where B is packed once, because then each block packs its A for all of them.
 * There the wide tile, which takes its operands twice as fast, gains from a block of A that leaves the second-level cache to B and C.
 */
const mostRows = { own: 128, sharedWide: 48 };
const wideColumns = 16;
const mostColumns = { own: 512, shared: 1024 };
/** The columns of a block of a float64 product, and the bytes of one step of k in it (assembly/matmul64.ts). */
const columns64 = 4;
const stepBytes64 = 8 * columns64;

/**
 * Blocks of whole tiles (assembly/matmul.ts says what lies in which cache), and smaller ones where there would be too few.
 */
function blocks({ batch, m, n }: MatmulGeometry, tileRows: number, tileColumns: number): { blockM: number; blockN: number } {
  let blockM = Math.min(mostRows.own - (mostRows.own % tileRows), roundUp(m, tileRows));
  const shares = Math.ceil(m / blockM) >= sharingBlocks;
  if (shares && tileColumns === wideColumns) blockM = mostRows.sharedWide;
  let blockN = Math.min(shares ? mostColumns.shared : mostColumns.own, roundUp(n, tileColumns));
  while (batch * Math.ceil(m / blockM) * Math.ceil(n / blockN) < enoughChunks) {
    if (blockN >= 2 * blockM && blockN > 64) blockN = roundUp(blockN / 2, tileColumns);
    else if (blockM > 32) blockM = roundUp(blockM / 2, tileRows);
    else break;
  }
  return { blockM, blockN };
}

/**
 * Computes a product with a column, A·b, as a row, bᵀ·Aᵀ: the same numbers in the same places, along the wide side of the kernel's tile.
 */
function rowFirst(a: Storage, b: Storage, geometry: MatmulGeometry): { a: Storage; b: Storage; geometry: MatmulGeometry } {
  const { batch, m, k, n, transposeA, transposeB, batchStrideA, batchStrideB } = geometry;
  if (n !== 1 || m === 1) return { a, b, geometry };
  return {
    a: b,
    b: a,
    geometry: {
      batch,
      m: n,
      k,
      n: m,
      transposeA: !transposeB,
      transposeB: !transposeA,
      batchStrideA: batchStrideB,
      batchStrideB: batchStrideA,
    },
  };
}

export const matmulAcceptances: Acceptances<"matmul"> = {
  matmul: { dtypes: ["float32", "float64"], accepts: (a, b) => a.dtype === b.dtype && a.dtype !== "int32" },
};

export const matmulKernels = ({ kernels, memory, team }: Machine): Pick<Kernels, "matmul"> => ({
  matmul(left, right, asked) {
    const { a, b, geometry } = rowFirst(left, right, asked);
    team.check();
    const { batch, m, k, n, transposeA, transposeB, batchStrideA, batchStrideB } = geometry;
    const [pa, pb] = [memory.pointerOf(a), memory.pointerOf(b)];
    const c = memory.allocate(a.dtype, batch * m * n);
    if (c.length === 0) return c;
    if (k === 0) {
      c.view.fill(0);
      return c;
    }
    const single = isFloat32(a);
    const bytes = single ? 4 : 8;
    const { blockM, blockN } = single
      ? blocks(geometry, kernels.gemmRows.value, kernels.gemmColumns.value)
      : { blockM: m, blockN: columns64 };
    const blocksM = Math.ceil(m / blockM);
    const packedBytes = single && blocksM >= sharingBlocks ? roundUp(batch * kernels.packedRightBytes(k, n), 64) : 0;
    const packsOnce = packedBytes > 0 && packedBytes <= mostPackedBytes;
    const sharedBytes = packsOnce ? packedBytes : 0;
    const scratchBytes = roundUp(single ? kernels.matmulScratch(blockM, packsOnce ? 0 : blockN, k) : k * stepBytes64, 64);
    const shared = 2 * batch * m * n * k > sharedWork;
    memory.withScratch(sharedBytes + scratchBytes * team.threads, (base) => {
      writeStruct(memory, jobAddress, "MatmulJob", {
        a: pa,
        b: pb,
        c: c.pointer,
        scratch: base + sharedBytes,
        scratchBytes,
        m,
        k,
        n,
        strideAm: bytes * (transposeA ? 1 : k),
        strideAk: bytes * (transposeA ? m : 1),
        strideBk: bytes * (transposeB ? 1 : n),
        strideBn: bytes * (transposeB ? k : 1),
        batchA: bytes * batchStrideA,
        batchB: bytes * batchStrideB,
        blockM,
        blockN,
        blocksM,
        blocksN: Math.ceil(n / blockN),
        packedB: packsOnce ? base : 0,
      });
      if (packsOnce) kernels.packRight(batch, shared);
      (single ? kernels.matmul : kernels.matmul64)(batch, shared);
    });
    return c;
  },
});
