/**
 * `reshape`: the same elements under another shape (docs/derivations/layout.md). It has a file of its own because half of the ops and
 * `gradients` use it.
 */

import { ShapeError } from "../core/errors.ts";
import { checkShape, formatShape, type Shape, sizeOf } from "../core/shape.ts";
import { differentiable } from "../tape/tape.ts";
import { share, type Tensor } from "../tensor/tensor.ts";

/**
 * The elements of x in the same order, under another shape. One size may be −1; it stands for the size that makes the number of elements
 * agree. The result shares the storage of x, so nothing is copied. VJP: x̄ = ȳ in the shape of x.
 * @throws ShapeError when the number of elements would change, or for sizes that are not integers ≥ 0 (or one −1).
 */
export const reshape: (x: Tensor, shape: Shape) => Tensor = differentiable("reshape", (x: Tensor, shape: Shape) => {
  const free = shape.filter((size) => size === -1).length;
  const known = sizeOf(shape.filter((size) => size !== -1));
  const target = free === 1 ? shape.map((size) => (size === -1 ? x.size / known : size)) : shape;
  if (free > 1 || sizeOf(target) !== x.size)
    throw new ShapeError(`reshape: the number of elements must stay the same, got ${formatShape(x.shape)} → ${formatShape(shape)}`);
  checkShape("reshape", target);
  return { inputs: [x], value: share(x, target), vjp: [(g) => reshape(g, x.shape)] };
});
