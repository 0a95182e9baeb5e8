/**
 * Reductions from [outer, axis, inner] to [outer, inner]. This file teaches that three numbers describe a reduction along any axis of any
 * tensor. It also teaches that a reduction of no elements gives the neutral element: 0 for a sum, and −∞ for a maximum.
 */

import { type HostMemory, viewOf } from "../host-storage.ts";
import type { AxisSplit, Kernels, ReduceOp } from "../kernels.ts";

const neutral: Record<ReduceOp, number> = { sum: 0, max: -Infinity };
const combine: Record<ReduceOp, (total: number, value: number) => number> = { sum: (total, value) => total + value, max: Math.max };

/**
 * Whether `value` replaces `best` as the maximum: it is greater, or it is the first NaN. A maximum over elements with a NaN is that NaN.
 */
export const isNewMaximum = (value: number, best: number): boolean => value > best || (Number.isNaN(value) && !Number.isNaN(best));

/** Visits each line along the axis: its number in the result, and the position of its first element. */
export function forEachLine({ outer, axis, inner }: AxisSplit, visit: (line: number, start: number) => void): void {
  for (let o = 0; o < outer; o++) for (let i = 0; i < inner; i++) visit(o * inner + i, o * axis * inner + i);
}

export const reductionKernels = (memory: HostMemory): Pick<Kernels, "reduce" | "argmax"> => ({
  reduce(op, x, split) {
    const { outer, axis, inner } = split;
    const out = memory.allocate(x.dtype, outer * inner);
    const [y, source] = [out.view, viewOf(x)];
    forEachLine(split, (line, start) => {
      let total = neutral[op];
      for (let k = 0; k < axis; k++) total = combine[op](total, source[start + k * inner]!);
      y[line] = total;
    });
    return out;
  },

  argmax(x, split) {
    const { outer, axis, inner } = split;
    const out = memory.allocate("int32", outer * inner);
    const [y, source] = [out.view, viewOf(x)];
    forEachLine(split, (line, start) => {
      let best = 0;
      for (let k = 1; k < axis; k++) if (isNewMaximum(source[start + k * inner]!, source[start + best * inner]!)) best = k;
      y[line] = best;
    });
    return out;
  },
});
