/** Attention maps: where a feature map is active, whichever channel it is (Zagoruyko & Komodakis 2017, arXiv 1612.03928). */

import { divide, maximum, multiply } from "../ops/arithmetic.ts";
import { reshape, sum } from "../ops/broadcast.ts";
import { sqrt } from "../ops/elementwise.ts";
import { mean } from "../ops/reductions.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** q = a/‖a‖₂ with a = (1/C) Σ_c x_c² laid out flat.   x:[N,C,H,W] → q:[N,H·W]. */
export function attentionMap(x: Tensor): Tensor {
  const energy = mean(multiply(x, x), { axes: 1 });
  const flat = reshape(energy, [x.shape[0]!, x.shape[2]! * x.shape[3]!]);
  const norm = sqrt(sum(multiply(flat, flat), { axes: 1, keepDims: true }));
  // PyTorch's normalize guards the division in the same way: a map of zeros stays zeros.
  return divide(flat, maximum(norm, 1e-12));
}
