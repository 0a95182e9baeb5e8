/** Counts multiply-adds at the kernels that compute them. */

import { kernels, useBackend } from "../backend/active.ts";
import { type ConvolutionGeometry, convolutionMultiplyAdds } from "../core/convolution-geometry.ts";

/**
 * The multiply-adds of all matrix products, convolutions and convolution gradients in `body`. A product counts m·k·n; a convolution or one
 * of its gradients counts N·O·H′·W′·(C/groups)·Kh·Kw, where products with the padding are included. Elementwise work, reductions and
 * updates count nothing.
 */
export function countMultiplyAdds(body: () => void): number {
  const backend = kernels();
  let count = 0;
  const convolution = <R>(kernel: (a: never, b: never, geometry: ConvolutionGeometry) => R) =>
    ((a: never, b: never, geometry: ConvolutionGeometry): R => {
      count += convolutionMultiplyAdds(geometry);
      return kernel(a, b, geometry);
    }) as typeof kernel;
  useBackend({
    ...backend,
    matmul: (a, b, geometry) => {
      count += geometry.batch * geometry.m * geometry.k * geometry.n;
      return backend.matmul(a, b, geometry);
    },
    conv2d: convolution(backend.conv2d),
    conv2dInputGradient: convolution(backend.conv2dInputGradient),
    conv2dWeightGradient: convolution(backend.conv2dWeightGradient),
  });
  try {
    body();
  } finally {
    useBackend(backend);
  }
  return count;
}
