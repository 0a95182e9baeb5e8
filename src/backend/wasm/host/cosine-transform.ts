/** The cosine transform along an axis. */

import { cosineMatrix } from "../../../core/cosine-transform.ts";
import type { AxisSplit, Kernels, MatmulGeometry } from "../../kernels.ts";
import { allFloat32, type Machine } from "./machine.ts";

/** D·X for each matrix X:[n, inner]; where X is a vector, all of them at once as the rows of one matrix: X·Dᵀ. */
function denseGeometry({ outer, axis: n, inner }: AxisSplit, transpose: boolean): MatmulGeometry {
  if (inner === 1)
    return {
      ...{ batch: 1, m: outer, k: n, n, transposeA: false, transposeB: !transpose, batchStrideA: 0, batchStrideB: 0 },
    };
  return { batch: outer, m: n, k: n, n: inner, transposeA: transpose, transposeB: false, batchStrideA: 0, batchStrideB: n * inner };
}

export function cosineTransformKernels(
  { memory, team }: Machine,
  reference: Pick<Kernels, "cosineTransform">,
  { matmul }: Pick<Kernels, "matmul">,
): Pick<Kernels, "cosineTransform"> {
  return {
    cosineTransform(x, transpose, split) {
      if (!allFloat32(x)) return reference.cosineTransform(x, transpose, split);
      team.check();
      const matrix = memory.allocate("float32", split.axis ** 2);
      try {
        matrix.view.set(cosineMatrix(split.axis));
        const geometry = denseGeometry(split, transpose);
        return split.inner === 1 ? matmul(x, matrix, geometry) : matmul(matrix, x, geometry);
      } finally {
        matrix.release();
      }
    },
  };
}
