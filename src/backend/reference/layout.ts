/**
 * Reading and writing through views. This file teaches that permute, slice, flip, broadcast and diagonal are one operation: they read a
 * flat buffer by strides. pad and concat write by strides.
 */

import { sizeOf, stridesOf } from "../../core/shape.ts";
import { type HostMemory, viewOf } from "../host-storage.ts";
import type { Kernels, View } from "../kernels.ts";

/** Walks two views of one shape together, in row-major order. `visit` gets i = 0, 1, 2 … and the positions in the storages of a and b. */
export function forEachElement(a: View, b: View, visit: (i: number, atA: number, atB: number) => void): void {
  let i = 0;
  const along = (axis: number, atA: number, atB: number): void => {
    if (axis === a.shape.length) {
      visit(i++, atA, atB);
      return;
    }
    for (let k = 0; k < a.shape[axis]!; k++) along(axis + 1, atA + k * a.strides[axis]!, atB + k * b.strides[axis]!);
  };
  along(0, a.offset, b.offset);
}

/** The view of a contiguous tensor with the shape of another view. */
const contiguous = ({ shape }: View): View => ({ shape, strides: stridesOf(shape), offset: 0 });

export const layoutKernels = (memory: HostMemory): Pick<Kernels, "readView" | "assemble"> => ({
  readView(x, view) {
    const out = memory.allocate(x.dtype, sizeOf(view.shape));
    const [y, source] = [out.view, viewOf(x)];
    forEachElement(contiguous(view), view, (_, to, from) => {
      y[to] = source[from]!;
    });
    return out;
  },

  assemble(dtype, length, fill, parts) {
    const out = memory.allocate(dtype, length);
    const y = out.view.fill(fill);
    for (const { source, view } of parts) {
      const values = viewOf(source);
      forEachElement(view, contiguous(view), (_, to, from) => {
        y[to] = values[from]!;
      });
    }
    return out;
  },
});
