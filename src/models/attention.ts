/**
 * Attention maps tell how active each pixel of a feature map is, averaged over its channels (Zagoruyko & Komodakis 2017, arXiv 1612.03928).
 */

import { divide, maximum, multiply, sqrt } from "../ops/elementwise.ts";
import { mean } from "../ops/reductions.ts";
import { reshape } from "../ops/reshape.ts";
import { sum } from "../ops/sum-and-broadcast.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** q = a/‖a‖₂ with a = (1/C) Σ_c x_c² as a vector over the pixels.   x:[N,C,H,W] → q:[N,H·W]. */
export function attentionMap(x: Tensor): Tensor {
  const energy = mean(multiply(x, x), { axes: 1 });
  const flat = reshape(energy, [x.shape[0]!, x.shape[2]! * x.shape[3]!]);
  // The norm is max(‖a‖, 1e-12), as in PyTorch's normalize, so a map of zeros stays a map of zeros.
  // The maximum is taken before the square root, because the slope of the square root at 0 is infinite.
  const squared = maximum(sum(multiply(flat, flat), { axes: 1, keepDims: true }), 1e-24);
  return divide(flat, sqrt(squared));
}
