/**
 * `gather` reads at indices and `scatterAdd` adds at indices. Each is the transpose of the other, and so the other's VJP
 * (docs/derivations/indexing.md).
 */

import { kernels } from "../backend/active.ts";
import { ShapeError } from "../core/errors.ts";
import { checkShape, formatShape, normalizeAxis, type Shape, sizeOf } from "../core/shape.ts";
import { differentiable } from "../tape/tape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { checkFloating, checkIndices, output } from "./output.ts";
import { splitAt } from "./reduce-axes.ts";

/**
 * y[a…, i…, b…] = x[a…, indices[i…], b…]. This is NumPy's `take` along `axis`, by default axis 0. x:[A…,n,B…], indices:[I…] → y:[A…,I…,B…].
 * VJP: x̄ = scatterAdd(ȳ).
 * @throws ShapeError for indices that are not int32, or an index outside [0, n).
 */
export const gather: (x: Tensor, indices: Tensor, axis?: number) => Tensor = differentiable(
  "gather",
  (x: Tensor, indices: Tensor, axis = 0) => {
    checkFloating("gather", x);
    checkIndices("gather", indices);
    const along = normalizeAxis("gather", axis, x.rank);
    const shape = [...x.shape.slice(0, along), ...indices.shape, ...x.shape.slice(along + 1)];
    const value = output(shape, kernels().gather(x.storage, indices.storage, splitAt(x.shape, along)));
    return { inputs: [x], value, vjp: [(g) => scatterAdd(g, indices, x.shape, along)] };
  },
);

/**
 * x = 0, and then x[a…, indices[i…], b…] += y[a…, i…, b…] for all a, i, b. The elements of repeated indices add up. The axis is 0 by
 * default. y:[A…,I…,B…], indices:[I…] → x:[A…,n,B…], which is `shape`. VJP: ȳ = gather(x̄).
 * @throws ShapeError when y is not [A…,I…,B…], for indices that are not int32, or for an index outside [0, n).
 */
export const scatterAdd: (y: Tensor, indices: Tensor, shape: Shape, axis?: number) => Tensor = differentiable(
  "scatterAdd",
  (y: Tensor, indices: Tensor, shape: Shape, axis = 0) => {
    checkFloating("scatterAdd", y);
    checkIndices("scatterAdd", indices);
    checkShape("scatterAdd", shape);
    const along = normalizeAxis("scatterAdd", axis, shape.length);
    const expected = [...shape.slice(0, along), ...indices.shape, ...shape.slice(along + 1)];
    if (formatShape(expected) !== formatShape(y.shape))
      throw new ShapeError(
        `scatterAdd: y must be [A…,I…,B…], expected ${formatShape(expected)} for indices ${formatShape(indices.shape)} ` +
          `into ${formatShape(shape)}, got ${formatShape(y.shape)}`,
      );
    const split = splitAt(shape, along);
    if (sizeOf(shape) === 0 && y.size > 0)
      throw new ShapeError(`scatterAdd: an empty result needs an empty y, got y:${formatShape(y.shape)} into ${formatShape(shape)}`);
    return {
      inputs: [y],
      value: output(shape, kernels().scatterAdd(y.storage, indices.storage, split)),
      vjp: [(g) => gather(g, indices, along)],
    };
  },
);
