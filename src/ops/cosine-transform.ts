/**
 * The discrete cosine transform along an axis. One op computes both D·x and Dᵀ·x, because each is the VJP of the other
 * (docs/derivations/cosine-transform.md).
 */

import { kernels } from "../backend/active.ts";
import { checkOptions, type OptionNames, optionNames } from "../core/options.ts";
import { normalizeAxis } from "../core/shape.ts";
import { differentiable } from "../tape/tape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { checkFloating, output } from "./output.ts";
import { splitAt } from "./reduce-axes.ts";

/** The options of `cosineTransform`. */
export interface CosineTransformOptions {
  /** The axis to transform. Default: 1, the axis of channels. */
  readonly axis?: number;
  /** Whether to multiply by Dᵀ, a DCT-III up to scale, instead of by D. Default: false. */
  readonly transpose?: boolean;
}

/** The names of `CosineTransformOptions`. */
export const cosineTransformOptions: OptionNames = optionNames<CosineTransformOptions>({ axis: true, transpose: true });

/**
 * y_k = 2·Σ_i cos(πk(2i+1)/2n)·x_i along `axis` of length n. This is the DCT-II without normalisation, y = D·x. With `transpose`, y = Dᵀ·x.
 * x:[A…,n,B…] → y:[A…,n,B…]. VJP: x̄ = Dᵀ·ȳ, or x̄ = D·ȳ with `transpose`. The inverse is D⁻¹ = Dᵀ·diag(1/4n, 1/2n, 1/2n, …).
 *
 * A length n = 2^a·3^b·5^c has a fast algorithm (J. Makhoul, "A fast cosine transform in one and two dimensions", IEEE Trans. ASSP 28,
 * 1980). Any other length takes n² multiply-adds. `cosineTransformMultiplyAdds(n)` is the cost of one column. A NaN or an infinity affects
 * its own column only.
 * @throws ShapeError for an axis that x does not have, or an int32 tensor.
 */
export const cosineTransform: (x: Tensor, options?: CosineTransformOptions) => Tensor = differentiable(
  "cosineTransform",
  (x: Tensor, options: CosineTransformOptions = {}) => {
    checkOptions("cosineTransform", options, cosineTransformOptions);
    const { axis = 1, transpose = false } = options;
    checkFloating("cosineTransform", x);
    const along = normalizeAxis("cosineTransform", axis, x.rank);
    const value = output(x.shape, kernels().cosineTransform(x.storage, transpose, splitAt(x.shape, along)));
    return { inputs: [x], value, vjp: [(g) => cosineTransform(g, { axis: along, transpose: !transpose })] };
  },
);
