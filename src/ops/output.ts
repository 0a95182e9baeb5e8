/** What all ops need: a tensor from the storage that a kernel returned, a scalar tensor from a number, and checks of the dtypes. */

import { kernels } from "../backend/active.ts";
import { ShapeError } from "../core/errors.ts";
import { kindOf } from "../core/options.ts";
import { formatShape, type Shape } from "../core/shape.ts";
import { bytesPerElement, type DType, type Storage } from "../tensor/storage.ts";
import { Tensor } from "../tensor/tensor.ts";

/** The tensor of a kernel's result. */
export const output = (shape: Shape, storage: Storage): Tensor => new Tensor(shape, storage);

/** An operand: a tensor, or a number that stands for a scalar tensor of the other operand's dtype. */
export type Operand = Tensor | number;

/** The operand as a tensor. A number becomes a scalar of `dtype`. */
export const asTensor = (value: Operand, dtype: DType): Tensor =>
  typeof value === "number" ? output([], kernels().full(dtype, 1, value)) : value;

/** @throws ShapeError unless `dtype` is the name of a dtype. */
export function checkDType(op: string, dtype: DType): void {
  if (!Object.hasOwn(bytesPerElement, dtype)) throw new ShapeError(`${op}: dtype must be float32, float64 or int32, got ${String(dtype)}`);
}

/** @throws ShapeError unless all operands are tensors, and all are float32 or all are float64. */
export function checkFloating(op: string, ...operands: readonly Tensor[]): void {
  const other = operands.findIndex((x) => !(x instanceof Tensor));
  if (other !== -1) {
    // A parameter and a buffer hold their tensor as `value`.
    const { value } = Object(operands[other]) as { value?: unknown };
    const remedy = value instanceof Tensor ? "pass its value" : "make it one with tensor()";
    throw new ShapeError(`${op}: operands must be tensors, got ${kindOf(operands[other])} as operand ${other + 1}; ${remedy}`);
  }
  const dtype = operands[0]!.dtype;
  if (dtype === "int32" || operands.some((x) => x.dtype !== dtype))
    throw new ShapeError(
      `${op}: operands must share one floating dtype, got ${operands.map((x) => x.dtype).join(", ")}; cast() them first`,
    );
}

/** @throws ShapeError unless x is int32, the dtype of indices. */
export function checkIndices(op: string, x: Tensor): void {
  if (x.dtype !== "int32") throw new ShapeError(`${op}: indices must be int32, got ${x.dtype} ${formatShape(x.shape)}; cast() them first`);
}
