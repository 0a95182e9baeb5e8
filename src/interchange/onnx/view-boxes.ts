/**
 * Converts strided views to boxes. A kernel's view is an offset and strides on a flat storage, but ONNX has slices and transposes of shaped
 * tensors. A view is a box of the storage in a given shape if each axis of the view runs along one axis of that shape.
 */

import type { View } from "../../backend/kernels.ts";
import { type Shape, sizeOf, stridesOf } from "../../core/shape.ts";

/** The elements start, start + step, … along each axis of a tensor of shape `dims`, with the axes in the order `order`. */
export interface Box {
  readonly dims: Shape;
  readonly starts: readonly number[];
  readonly counts: readonly number[];
  readonly steps: readonly number[];
  /** The axes of `dims`: first those along which the view does not run, then the others in the view's order. */
  readonly order: readonly number[];
}

/** Whether the positions of the view's elements differ along the axis. */
const runs = ({ shape, strides }: View, axis: number): boolean => shape[axis] !== 1 && strides[axis] !== 0;

/** The view as a box of a tensor of shape `dims`; undefined where it is no such box. Repeated axes (stride 0) are left to the caller. */
export function boxIn(dims: Shape, view: View): Box | undefined {
  const strides = stridesOf(dims);
  const starts = strides.map((stride, axis) => Math.floor(view.offset / stride) % dims[axis]!);
  const counts = dims.map(() => 1);
  const steps = dims.map(() => 1);
  const taken: number[] = [];
  for (let axis = 0; axis < view.shape.length; axis++) {
    if (!runs(view, axis)) continue;
    const [size, stride] = [view.shape[axis]!, view.strides[axis]!];
    const along = strides.findIndex((s, d) => {
      const reach = starts[d]! + ((size - 1) * stride) / s;
      return dims[d] !== 1 && !taken.includes(d) && stride > 0 && stride % s === 0 && reach < dims[d]!;
    });
    if (along < 0) return undefined;
    taken.push(along);
    counts[along] = size;
    steps[along] = stride / strides[along]!;
  }
  return { dims, starts, counts, steps, order: [...dims.map((_, d) => d).filter((d) => !taken.includes(d)), ...taken] };
}

/**
 * The shape of a storage to which the strides of the views belong: [length/s₀, s₀/s₁, …] for strides s₀ > s₁ > …. Undefined where a stride
 * does not divide the one before.
 */
export function shapeOfStrides(length: number, views: readonly View[]): Shape | undefined {
  const strides = [...new Set(views.flatMap((view) => view.strides.filter((stride) => stride > 0)))].sort((a, b) => b - a);
  const bounds = [length, ...strides, 1];
  const dims = bounds.slice(1).map((bound, i) => bounds[i]! / bound);
  return dims.every(Number.isInteger) ? dims.filter((size, i) => size !== 1 || i === 0) : undefined;
}

/** The view as a box of its storage: in the current shape if this is possible, else in the shape to which the strides belong. */
export function boxOf(current: Shape, view: View): Box | undefined {
  const inferred = shapeOfStrides(sizeOf(current), [view]);
  return boxIn(current, view) ?? (inferred && boxIn(inferred, view));
}

/** The position of each element of the view in the flat storage. */
export function positionsOf({ shape, strides, offset }: View): Int32Array {
  let positions = Int32Array.of(offset);
  for (const [axis, size] of shape.entries()) {
    const before = positions;
    positions = Int32Array.from({ length: before.length * size }, (_, at) => before[Math.floor(at / size)]! + (at % size) * strides[axis]!);
  }
  return positions;
}

/**
 * For each axis of `fine`, the axis of `coarse` of which it is a part. Both shapes have the same size. An axis of size 1 belongs to the
 * axis before it.
 * @returns undefined where an axis of `fine` covers parts of two axes of `coarse`.
 */
export function refine(fine: Shape, coarse: Shape): number[] | undefined {
  const owners: number[] = [];
  let owner = 0;
  let rest = coarse[0] ?? 1;
  for (const size of fine) {
    while (rest === 1 && size !== 1 && owner < coarse.length - 1) rest = coarse[++owner]!;
    if (rest % size !== 0) return undefined;
    rest /= size;
    owners.push(owner);
  }
  return owners;
}
