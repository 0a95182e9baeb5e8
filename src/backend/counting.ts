/** A backend that counts multiply-adds and lets another backend compute. */

import { convolutionMultiplyAdds } from "../core/convolution-geometry.ts";
import { cosineTransformMultiplyAdds } from "../core/cosine-transform.ts";
import { sizeOf } from "../core/shape.ts";
import type { Kernels } from "./kernels.ts";

export interface CountingBackend {
  readonly kernels: Kernels;
  /** Multiply-adds since the backend was made: of matrix products, convolutions, cosine transforms, and elementwise products. */
  multiplyAdds(): number;
}

/**
 * Counts what the field counts: copies, comparisons, fused norms and plain additions are left out. The additions inside a cosine transform
 * are counted, because they are half of its work.
 */
export function countingBackend(inner: Kernels): CountingBackend {
  let total = 0;
  const kernels: Kernels = {
    ...inner,
    name: `counting ${inner.name}`,
    matmul: (a, b, geometry) => {
      total += geometry.batch * geometry.m * geometry.k * geometry.n;
      return inner.matmul(a, b, geometry);
    },
    conv2d: (x, w, geometry) => {
      total += convolutionMultiplyAdds(geometry);
      return inner.conv2d(x, w, geometry);
    },
    conv2dInputGradient: (g, w, geometry) => {
      total += convolutionMultiplyAdds(geometry);
      return inner.conv2dInputGradient(g, w, geometry);
    },
    conv2dWeightGradient: (x, g, geometry) => {
      total += convolutionMultiplyAdds(geometry);
      return inner.conv2dWeightGradient(x, g, geometry);
    },
    cosineTransform: (x, transpose, split) => {
      total += split.outer * split.inner * cosineTransformMultiplyAdds(split.axis);
      return inner.cosineTransform(x, transpose, split);
    },
    binary: (op, a, b, broadcast) => {
      if (op === "multiply") total += sizeOf(broadcast.shape);
      return inner.binary(op, a, b, broadcast);
    },
  };
  return { kernels, multiplyAdds: () => total };
}
