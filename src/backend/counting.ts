/** A backend that counts multiply-adds and leaves the computation to another backend. */

import { convolutionMultiplyAdds } from "../core/convolution-geometry.ts";
import { cosineTransformMultiplyAdds } from "../core/cosine-transform.ts";
import { sizeOf } from "../core/shape.ts";
import type { Kernels } from "./kernels.ts";

export interface CountingBackend {
  readonly kernels: Kernels;
  /** The multiply-adds of matrix products, convolutions, cosine transforms and elementwise products since the backend was made. */
  multiplyAdds(): number;
}

/**
 * Wraps a backend so that its multiply-adds are counted. As is usual in papers, copies, comparisons, fused norms and plain additions do not
 * count. The product in a scale and shift of channels counts, and so do the additions inside a cosine transform, which are half of its work.
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
    channelAffine: (x, scale, shift, geometry, then) => {
      total += x.length;
      return inner.channelAffine(x, scale, shift, geometry, then);
    },
    binary: (op, a, b, broadcast) => {
      if (op === "multiply") total += sizeOf(broadcast.shape);
      return inner.binary(op, a, b, broadcast);
    },
  };
  return { kernels, multiplyAdds: () => total };
}
