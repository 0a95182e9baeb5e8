/** A backend that counts: what passes through it is computed by another, and every multiply-add of its contractions is added up. */

import { convolutionMultiplyAdds } from "../core/convolution-geometry.ts";
import { cosineTransformMultiplyAdds } from "../core/cosine-transform.ts";
import { sizeOf } from "../core/shape.ts";
import type { Kernels } from "./kernels.ts";

export interface CountingBackend {
  readonly kernels: Kernels;
  /** Multiply-adds since the backend was made: of matrix products, convolutions, cosine transforms, and elementwise products. */
  multiplyAdds(): number;
}

/** Copies, comparisons, the fused norms and additions alone are not counted, as in the field; but those inside a cosine transform, half its work, are. */
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
