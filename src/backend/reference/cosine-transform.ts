/**
 * y = D·x or y = Dᵀ·x along an axis, from the definition D[k,i] = 2·cos(πk(2i+1)/2n). This file teaches what the fast algorithms must
 * compute, and that the transposed transform reads the same matrix by columns.
 */

import { cosineMatrix } from "../../core/cosine-transform.ts";
import { type HostMemory, viewOf } from "../host-storage.ts";
import type { Kernels } from "../kernels.ts";

export const cosineTransformKernels = (memory: HostMemory): Pick<Kernels, "cosineTransform"> => ({
  cosineTransform(x, transpose, { outer, axis: n, inner }) {
    const out = memory.allocate(x.dtype, outer * n * inner);
    const [y, source, matrix] = [out.view, viewOf(x), cosineMatrix(n)];
    const [stepK, stepI] = transpose ? [1, n] : [n, 1];
    for (let o = 0; o < outer; o++)
      for (let j = 0; j < inner; j++)
        for (let k = 0; k < n; k++) {
          let sum = 0;
          for (let i = 0; i < n; i++) sum += matrix[k * stepK + i * stepI]! * source[(o * n + i) * inner + j]!;
          y[(o * n + k) * inner + j] = sum;
        }
    return out;
  },
});
