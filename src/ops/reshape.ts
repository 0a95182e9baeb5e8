/** `reshape`: the same elements under another shape. It has a file of its own because half of the ops and `gradients` use it. */

import { ShapeError } from "../core/errors.ts";
import { formatShape, type Shape, sizeOf } from "../core/shape.ts";
import { differentiable } from "../tape/tape.ts";
import { share, type Tensor } from "../tensor/tensor.ts";

/**
 * The elements of x in the same order, under another shape. One size may be −1; it stands for the size that makes the number of elements
 * agree. The result shares the storage of x, so nothing is copied. VJP: x̄ = ȳ in the shape of x.
 * @throws ShapeError when the number of elements would change.
 */
export const reshape: (x: Tensor, shape: Shape) => Tensor = differentiable("reshape", (x: Tensor, shape: Shape) => {
  const known = shape.reduce((product, size) => (size === -1 ? product : product * size), 1);
  const target = shape.map((size) => (size === -1 ? x.size / known : size));
  if (
    shape.filter((size) => size === -1).length > 1 ||
    sizeOf(target) !== x.size ||
    target.some((size) => !Number.isInteger(size) || size < 0)
  )
    throw new ShapeError(`reshape: the number of elements must stay the same, got ${formatShape(x.shape)} → ${formatShape(shape)}`);
  return { inputs: [x], value: share(x, target), vjp: [(g) => reshape(g, x.shape)] };
});
