/** Counts multiply-adds at the kernels that compute them. */

import { kernels, useBackend } from "../backend/active.ts";
import { interpose } from "../backend/interpose.ts";
import { contractionMultiplyAdds } from "../backend/kernel-work.ts";

/**
 * The multiply-adds of all matrix products, convolutions, convolution gradients and cosine transforms in `body`. Products with the padding
 * of a convolution are included. Elementwise work, reductions and updates count nothing.
 */
export function countMultiplyAdds(body: () => void): number {
  const backend = kernels();
  let count = 0;
  useBackend(
    interpose(backend, (call, compute) => {
      count += contractionMultiplyAdds(call);
      return compute();
    }),
  );
  try {
    body();
  } finally {
    useBackend(backend);
  }
  return count;
}
