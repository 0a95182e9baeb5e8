/** What ops share: turning a kernel's storage into a tensor, checking dtypes, and letting numbers stand for scalars. */

import { kernels } from "../backend/active.ts";
import { ShapeError } from "../core/errors.ts";
import { formatShape, type Shape } from "../core/shape.ts";
import type { DType, Storage } from "../tensor/storage.ts";
import { Tensor } from "../tensor/tensor.ts";

export const output = (shape: Shape, storage: Storage): Tensor => new Tensor(shape, storage);

/** A tensor, or a number that becomes a scalar of the other operand's dtype. */
export type Operand = Tensor | number;

export const asTensor = (value: Operand, dtype: DType): Tensor =>
  typeof value === "number" ? output([], kernels().full(dtype, 1, value)) : value;

/** @throws ShapeError unless all operands have one floating dtype. */
export function checkFloating(op: string, ...operands: readonly Tensor[]): void {
  const dtype = operands[0]!.dtype;
  if (dtype === "int32" || operands.some((x) => x.dtype !== dtype))
    throw new ShapeError(
      `${op}: operands must share one floating dtype, got ${operands.map((x) => x.dtype).join(", ")}; cast() them first`,
    );
}

/** @throws ShapeError unless `x` holds indices. */
export function checkIndices(op: string, x: Tensor): void {
  if (x.dtype !== "int32") throw new ShapeError(`${op}: indices must be int32, got ${x.dtype} ${formatShape(x.shape)}`);
}
