/** `reshape`: the same elements under another shape. */

import { ShapeError } from "../core/errors.ts";
import { formatShape, type Shape, sizeOf } from "../core/shape.ts";
import { differentiable } from "../tape/tape.ts";
import { share, type Tensor } from "../tensor/tensor.ts";

/** The same elements under another shape; one size may be −1, meaning whatever is left. Free: storage is shared. @throws ShapeError */
export const reshape: (x: Tensor, shape: Shape) => Tensor = differentiable("reshape", (x: Tensor, shape: Shape) => {
  const known = shape.reduce((product, size) => (size === -1 ? product : product * size), 1);
  const target = shape.map((size) => (size === -1 ? x.size / known : size));
  if (
    shape.filter((size) => size === -1).length > 1 ||
    sizeOf(target) !== x.size ||
    target.some((size) => !Number.isInteger(size) || size < 0)
  )
    throw new ShapeError(`reshape: the size must stay the same, got ${formatShape(x.shape)} → ${formatShape(shape)}`);
  return { inputs: [x], value: share(x, target), vjp: [(g) => reshape(g, x.shape)] };
});
