/** Matrix multiplication: chooses the blocks by shape alone, so that results do not depend on the number of threads. */

import type { Storage } from "../../../tensor/storage.ts";
import type { Kernels, MatmulGeometry } from "../../kernels.ts";
import { allFloat32, type Machine, sharedWork } from "./machine.ts";

const roundUp = (value: number, step: number): number => Math.ceil(value / step) * step;

/** As large as the caches like (A's block 256 × 128, B's 256 × 512 floats), smaller where that would leave threads without work. */
function blocks({ batch, m, n }: MatmulGeometry): { blockM: number; blockN: number } {
  let blockM = Math.min(128, roundUp(m, 4));
  let blockN = Math.min(512, roundUp(n, 8));
  while (batch * Math.ceil(m / blockM) * Math.ceil(n / blockN) < 8) {
    if (blockN >= 2 * blockM && blockN > 64) blockN = roundUp(blockN / 2, 8);
    else if (blockM > 32) blockM = roundUp(blockM / 2, 4);
    else break;
  }
  return { blockM, blockN };
}

/** A·b as the row bᵀ·Aᵀ: the same numbers in the same places, but along the tile's wide side. */
function rowFirst(a: Storage, b: Storage, geometry: MatmulGeometry): { a: Storage; b: Storage; geometry: MatmulGeometry } {
  const { m, n, transposeA, transposeB, batchStrideA, batchStrideB } = geometry;
  if (n !== 1 || m === 1) return { a, b, geometry };
  return {
    a: b,
    b: a,
    geometry: {
      ...geometry,
      ...{ m: n, n: m, transposeA: !transposeB, transposeB: !transposeA, batchStrideA: batchStrideB, batchStrideB: batchStrideA },
    },
  };
}

export function matmulKernels({ kernels, memory, team }: Machine, reference: Pick<Kernels, "matmul">): Pick<Kernels, "matmul"> {
  return {
    matmul(left, right, asked) {
      if (!allFloat32(left, right)) return reference.matmul(left, right, asked);
      const { a, b, geometry } = rowFirst(left, right, asked);
      team.check();
      const { batch, m, k, n, transposeA, transposeB, batchStrideA, batchStrideB } = geometry;
      const [pa, pb] = [memory.pointerOf(a), memory.pointerOf(b)];
      const c = memory.allocate("float32", batch * m * n);
      if (c.length === 0) return c;
      if (k === 0) {
        c.view.fill(0);
        return c;
      }
      const { blockM, blockN } = blocks(geometry);
      const bytes = roundUp(kernels.matmulScratch(blockM, blockN, k), 64);
      memory.withScratch(bytes * team.threads, (scratch) =>
        kernels.matmul(
          ...([pa, pb, c.pointer, scratch, bytes, batch, m, k, n, transposeA, transposeB, batchStrideA, batchStrideB] as const),
          ...([blockM, blockN, 2 * batch * m * n * k > sharedWork] as const),
        ),
      );
      return c;
    },
  };
}
