/**
 * gather is y[o,j,i] = x[o,index_j,i], and its transpose scatterAdd is x[o,index_j,i] += y[o,j,i]. This file teaches that the transpose of
 * copying is adding: an element that was read twice receives two cotangents.
 */

import type { TypedArray } from "../../tensor/storage.ts";
import { type HostMemory, viewOf } from "../host-storage.ts";
import { indexError } from "../index-error.ts";
import type { Kernels } from "../kernels.ts";

/** @throws ShapeError unless every index is an integer in [0, bound). */
function checkIndices(op: string, indices: TypedArray, bound: number): void {
  for (let j = 0; j < indices.length; j++) {
    const index = indices[j]!;
    if (!Number.isInteger(index) || index < 0 || index >= bound) throw indexError(op, bound, index, j);
  }
}

export const indexingKernels = (memory: HostMemory): Pick<Kernels, "gather" | "scatterAdd"> => ({
  gather(x, indices, { outer, axis, inner }) {
    checkIndices("gather", viewOf(indices), axis);
    const count = indices.length;
    const out = memory.allocate(x.dtype, outer * count * inner);
    // The views are taken after the last allocation, because an arena that grows replaces the buffer behind earlier views.
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
