/** Shapes, strides, axes and NumPy broadcasting: arithmetic on lists of sizes, no tensor in sight. */

import { ShapeError } from "./errors.ts";

/** Sizes of the axes, outermost first. `[]` is a scalar. */
export type Shape = readonly number[];

/** Number of elements: the product of the sizes; 1 for a scalar. */
export const sizeOf = (shape: Shape): number => shape.reduce((product, size) => product * size, 1);

/** Row-major strides in elements: the last axis moves by 1. */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis]!;
  }
  return strides;
}

export const sameShape = (a: Shape, b: Shape): boolean => a.length === b.length && a.every((size, axis) => size === b[axis]);

/** `[2,3]`, as every error message writes a shape. */
export const formatShape = (shape: Shape): string => `[${shape.join(",")}]`;

/** @throws ShapeError unless every size is an integer ≥ 0. */
export function checkShape(op: string, shape: Shape): void {
  if (!shape.every((size) => Number.isInteger(size) && size >= 0))
    throw new ShapeError(`${op}: sizes must be integers ≥ 0, got ${formatShape(shape)}`);
}

/**
 * The shape two operands broadcast to (NumPy's rule): aligned at the last axis, sizes agree or one of them is 1.
 * @throws ShapeError
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

/** Strides that read a tensor of shape `from` as if it had the broadcast shape `to`: 0 where an axis is repeated. */
export function broadcastStrides(from: Shape, to: Shape): number[] {
  const strides = stridesOf(from);
  const missing = to.length - from.length;
  return to.map((size, axis) => (axis < missing || (from[axis - missing] === 1 && size !== 1) ? 0 : strides[axis - missing]!));
}

/** An axis counted from either end, as `0 ≤ axis < rank`. @throws ShapeError */
export function normalizeAxis(op: string, axis: number, rank: number): number {
  if (!Number.isInteger(axis) || axis < -rank || axis >= rank)
    throw new ShapeError(`${op}: axis must be an integer in [${-rank}, ${rank - 1}], got ${axis}`);
  return axis < 0 ? axis + rank : axis;
}

/** Sorted, distinct axes; all of them when `axes` is undefined. @throws ShapeError when an axis is named twice. */
export function normalizeAxes(op: string, axes: number | readonly number[] | undefined, rank: number): number[] {
  if (axes === undefined) return Array.from({ length: rank }, (_, axis) => axis);
  const list = (typeof axes === "number" ? [axes] : axes).map((axis) => normalizeAxis(op, axis, rank)).sort((a, b) => a - b);
  if (new Set(list).size !== list.length) throw new ShapeError(`${op}: axes must be distinct, got [${axes}]`);
  return list;
}
