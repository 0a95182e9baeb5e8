/** Shapes, strides, axes and NumPy broadcasting. All of this is arithmetic on lists of sizes and knows nothing of tensors. */

import { ShapeError } from "./errors.ts";
import { kindOf } from "./options.ts";

/** The sizes of a tensor's axes, outermost first. `[]` is the shape of a scalar. */
export type Shape = readonly number[];

/** The number of elements: the product of the sizes, which is 1 for a scalar. */
export function sizeOf(shape: Shape): number {
  // A plain loop: every op passes through here several times.
  let product = 1;
  for (let axis = 0; axis < shape.length; axis++) product *= shape[axis]!;
  return product;
}

/** The row-major strides, in elements. A step along the last axis moves by 1. */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis]!;
  }
  return strides;
}

/** Whether two shapes are equal. */
export function sameShape(a: Shape, b: Shape): boolean {
  if (a.length !== b.length) return false;
  for (let axis = 0; axis < a.length; axis++) if (a[axis] !== b[axis]) return false;
  return true;
}

/** A shape in an error message has at most this many sizes. A hostile file may give a tensor a million axes. */
const mostSizes = 64;

/** A shape as error messages write it: `[2,3]`. A shape of more than 64 axes is cut, and its number of axes is said. */
export const formatShape = (shape: Shape): string =>
  shape.length <= mostSizes ? `[${shape.join(",")}]` : `[${shape.slice(0, mostSizes).join(",")},… ${shape.length} axes]`;

/**
 * The one check of a shape. Every op that takes a shape calls it before it allocates, and the constructor of `Tensor` calls it once more.
 * The loop visits holes of a sparse array too, which `every` would skip.
 * @throws ShapeError unless `shape` is an array whose sizes are all integers ≥ 0.
 */
export function checkShape(op: string, shape: Shape): void {
  if (!Array.isArray(shape)) throw new ShapeError(`${op}: a shape must be an array of sizes, got ${String(shape)}`);
  for (let axis = 0; axis < shape.length; axis++) {
    const size: unknown = shape[axis];
    if (!Number.isInteger(size) || (size as number) < 0)
      throw new ShapeError(`${op}: sizes must be integers ≥ 0, got ${String(size)} at axis ${axis} of ${formatShape(shape)}`);
  }
}

/**
 * The shape that two operands broadcast to, by NumPy's rule: the shapes are aligned at the last axis, and along each axis the sizes agree
 * or one is 1.
 * @throws ShapeError when two sizes differ and neither is 1.
 */
export function broadcastShapes(op: string, a: Shape, b: Shape): number[] {
  const rank = Math.max(a.length, b.length);
  const out = new Array<number>(rank);
  for (let i = 1; i <= rank; i++) {
    const sizeA = a[a.length - i] ?? 1;
    const sizeB = b[b.length - i] ?? 1;
    if (sizeA !== sizeB && sizeA !== 1 && sizeB !== 1)
      throw new ShapeError(`${op}: sizes must agree or be 1, axis by axis from the last, got ${formatShape(a)} and ${formatShape(b)}`);
    out[rank - i] = sizeA === 1 ? sizeB : sizeA;
  }
  return out;
}

/** The strides that read a tensor of shape `from` as if it had the broadcast shape `to`. A repeated axis has stride 0. */
export function broadcastStrides(from: Shape, to: Shape): number[] {
  const strides = stridesOf(from);
  const missing = to.length - from.length;
  return to.map((size, axis) => (axis < missing || (from[axis - missing] === 1 && size !== 1) ? 0 : strides[axis - missing]!));
}

/** The axis as a number in [0, rank). A negative axis counts from the end. @throws ShapeError when there is no such axis. */
export function normalizeAxis(op: string, axis: number, rank: number): number {
  if (!Number.isInteger(axis) || axis < -rank || axis >= rank)
    throw new ShapeError(`${op}: axis must be an integer in [${-rank}, ${rank - 1}], got ${kindOf(axis)}`);
  return axis < 0 ? axis + rank : axis;
}

/**
 * The axes as sorted numbers in [0, rank), or every axis when `axes` is undefined.
 * @throws ShapeError when an axis is named twice or does not exist.
 */
export function normalizeAxes(op: string, axes: number | readonly number[] | undefined, rank: number): number[] {
  if (axes === undefined) return Array.from({ length: rank }, (_, axis) => axis);
  const list = (typeof axes === "number" ? [axes] : axes).map((axis) => normalizeAxis(op, axis, rank)).sort((a, b) => a - b);
  if (new Set(list).size !== list.length) throw new ShapeError(`${op}: axes must be distinct, got [${axes}]`);
  return list;
}
