/**
 * Choosing by index, y[o,j,i] = x[o,index_j,i], and its adjoint x[o,index_j,i] += y[o,j,i]. Teaches that the adjoint of copying
 * is adding: what was read twice receives twice.
 */

import { ShapeError } from "../../core/errors.ts";
import type { TypedArray } from "../../tensor/storage.ts";
import { type HostMemory, viewOf } from "../host-storage.ts";
import type { Kernels } from "../kernels.ts";

function checkIndices(op: string, list: TypedArray, bound: number): void {
  for (let j = 0; j < list.length; j++) {
    const index = list[j]!;
    if (!Number.isInteger(index) || index < 0 || index >= bound)
      throw new ShapeError(`${op}: indices must be integers in [0, ${bound}), got ${index} at position ${j}`);
  }
}

export const indexingKernels = (memory: HostMemory): Pick<Kernels, "gather" | "scatterAdd"> => ({
  gather(x, indices, { outer, axis, inner }) {
    checkIndices("gather", viewOf(indices), axis);
    const count = indices.length;
    const out = memory.allocate(x.dtype, outer * count * inner);
    // Views are taken after the last allocation: growing an arena replaces the buffer behind earlier ones.
    const [y, source, index] = [out.view, viewOf(x), viewOf(indices)];
    for (let o = 0; o < outer; o++)
      for (let j = 0; j < count; j++)
        for (let i = 0; i < inner; i++) y[(o * count + j) * inner + i] = source[(o * axis + index[j]!) * inner + i]!;
    return out;
  },

  scatterAdd(y, indices, { outer, axis, inner }) {
    checkIndices("scatterAdd", viewOf(indices), axis);
    const count = indices.length;
    const out = memory.allocate(y.dtype, outer * axis * inner);
    const [source, index] = [viewOf(y), viewOf(indices)];
    const sums = new Float64Array(outer * axis * inner);
    for (let o = 0; o < outer; o++)
      for (let j = 0; j < count; j++)
        for (let i = 0; i < inner; i++) sums[(o * axis + index[j]!) * inner + i]! += source[(o * count + j) * inner + i]!;
    out.view.set(sums);
    return out;
  },
});
