/** The discrete cosine transform along an axis: D and Dᵀ are one op, and each is the other's adjoint. */

import { kernels } from "../backend/active.ts";
import { normalizeAxis } from "../core/shape.ts";
import { differentiable } from "../tape/tape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { checkFloating, output } from "./output.ts";
import { splitAt } from "./sum-and-broadcast.ts";

export interface CosineTransformOptions {
  /** The axis to transform. Default: 1, the channels. */
  readonly axis?: number;
  /** Multiply by Dᵀ (a DCT-III up to scale) instead of D. Default: false. */
  readonly transpose?: boolean;
}

/**
 * y_k = 2·Σ_i cos(πk(2i+1)/2n)·x_i along `axis` of length n: the DCT-II without normalisation, y = D·x; with `transpose`, y = Dᵀ·x.
 * D⁻¹ = Dᵀ·diag(1/4n, 1/2n, 1/2n, …). x:[A…,n,B…] → y:[A…,n,B…].   VJP: x̄ = Dᵀ·ȳ, or D·ȳ for the transposed transform.
 *
 * Fast (J. Makhoul, "A fast cosine transform in one and two dimensions", IEEE Trans. ASSP 28, 1980) for n = 2^a·3^b·5^c, n² multiply-adds
 * for other lengths: `cosineTransformMultiplyAdds(n)` for each of the columns. A NaN or infinity spoils its column and no other.
 * @throws ShapeError for an axis that x does not have, or an int32 tensor.
 */
export const cosineTransform: (x: Tensor, options?: CosineTransformOptions) => Tensor = differentiable(
  "cosineTransform",
  (x: Tensor, { axis = 1, transpose = false }: CosineTransformOptions = {}) => {
    checkFloating("cosineTransform", x);
    const along = normalizeAxis("cosineTransform", axis, x.rank);
    const value = output(x.shape, kernels().cosineTransform(x.storage, transpose, splitAt(x.shape, along)));
    return { inputs: [x], value, vjp: [(g) => cosineTransform(g, { axis: along, transpose: !transpose })] };
  },
);
