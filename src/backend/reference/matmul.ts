/**
 * C[q,i,j] = Σ_p A[q,i,p]·B[q,p,j]. This file teaches that a transpose costs nothing: it exchanges the two strides that a matrix is read
 * with.
 */

import { type HostMemory, viewOf } from "../host-storage.ts";
import type { Kernels } from "../kernels.ts";

export const matmulKernels = (memory: HostMemory): Pick<Kernels, "matmul"> => ({
  matmul(a, b, { batch, m, k, n, transposeA, transposeB, batchStrideA, batchStrideB }) {
    const out = memory.allocate(a.dtype, batch * m * n);
    const [c, sourceA, sourceB] = [out.view, viewOf(a), viewOf(b)];
    const [rowA, columnA] = transposeA ? [1, m] : [k, 1];
    const [rowB, columnB] = transposeB ? [1, k] : [n, 1];
    for (let q = 0; q < batch; q++)
      for (let i = 0; i < m; i++)
        for (let j = 0; j < n; j++) {
          let sum = 0;
          for (let p = 0; p < k; p++)
            sum += sourceA[q * batchStrideA + i * rowA + p * columnA]! * sourceB[q * batchStrideB + p * rowB + j * columnB]!;
          c[(q * m + i) * n + j] = sum;
        }
    return out;
  },
});
