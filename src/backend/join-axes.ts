/** Views in as few axes as they can be walked with. */

import type { View } from "./kernels.ts";

/** A view without axes of size 1 and with neighbouring axes joined where one stride walks through both: fewer, longer rows. */
export function joinAxes({ shape, strides, offset }: View): View {
  const joined = { shape: [] as number[], strides: [] as number[], offset };
  shape.forEach((size, axis) => {
    const stride = strides[axis]!;
    if (size === 1) return;
    const last = joined.shape.length - 1;
    if (last >= 0 && joined.strides[last] === stride * size) {
      joined.shape[last]! *= size;
      joined.strides[last] = stride;
    } else {
      joined.shape.push(size);
      joined.strides.push(stride);
    }
  });
  return joined;
}
