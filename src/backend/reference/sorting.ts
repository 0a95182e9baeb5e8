/**
 * Sorting along an axis. This file teaches that a sort is a permutation: argsort finds it, and takeAlongAxis applies it to values, to
 * gradients, or to anything else that lies beside the values.
 */

import { type HostMemory, viewOf } from "../host-storage.ts";
import type { Kernels } from "../kernels.ts";
import { forEachLine } from "./reductions.ts";

/** Below 0 where a comes before b in rising order, 0 where they are equal. NaN comes after every number and equals NaN. */
function compare(a: number, b: number): number {
  if (a < b) return -1;
  if (a > b) return 1;
  return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
}

export const sortingKernels = (memory: HostMemory): Pick<Kernels, "argsort" | "takeAlongAxis"> => ({
  argsort(x, descending, split) {
    const { axis, inner } = split;
    const out = memory.allocate("int32", x.length);
    const [y, source, direction] = [out.view, viewOf(x), descending ? -1 : 1];
    forEachLine(split, (_, start) => {
      const order = Int32Array.from({ length: axis }, (_, k) => k);
      order.sort((j, k) => direction * compare(source[start + j * inner]!, source[start + k * inner]!) || j - k);
      for (let k = 0; k < axis; k++) y[start + k * inner] = order[k]!;
    });
    return out;
  },

  takeAlongAxis(x, indices, split) {
    const { axis, inner } = split;
    const out = memory.allocate(x.dtype, x.length);
    const [y, source, index] = [out.view, viewOf(x), viewOf(indices)];
    forEachLine(split, (_, start) => {
      for (let k = 0; k < axis; k++) y[start + k * inner] = source[start + index[start + k * inner]! * inner]!;
    });
    return out;
  },
});
