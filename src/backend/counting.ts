/** A backend that counts multiply-adds and leaves the computation to another backend. */

import { sizeOf } from "../core/shape.ts";
import { interpose } from "./interpose.ts";
import { contractionMultiplyAdds } from "./kernel-work.ts";
import type { Kernels } from "./kernels.ts";

export interface CountingBackend {
  readonly kernels: Kernels;
  /** The multiply-adds of matrix products, convolutions, cosine transforms and elementwise products since the backend was made. */
  multiplyAdds(): number;
}

/**
 * Wraps a backend so that its multiply-adds are counted. As is usual in papers, copies, comparisons, fused norms and plain additions do not
 * count. The product in a scale and shift of channels counts. The additions inside a cosine transform count, because they are half of its
 * work.
 */
export function countingBackend(inner: Kernels): CountingBackend {
  let total = 0;
  const counted = interpose(inner, (call, compute) => {
    total += contractionMultiplyAdds(call);
    if (call[0] === "binary" && call[1] === "multiply") total += sizeOf(call[4].shape);
    if (call[0] === "channelAffine") total += call[1].length;
    return compute();
  });
  return { kernels: { ...counted, name: `counting ${inner.name}` }, multiplyAdds: () => total };
}
