/**
 * Ops that move elements without computing: permute, transpose, slice, flip, diagonal, pad, concat, stack and tile.
 *
 * All of them use one pair of ops. `readView` reads the elements that a view names. `writeView` writes elements to the places that a view
 * names, and fills the other places. If the view names no element twice, each of the two is the other's transpose, and so the other's VJP
 * (docs/derivations/layout.md).
 */

import { kernels } from "../backend/active.ts";
import type { View } from "../backend/kernels.ts";
import { ShapeError } from "../core/errors.ts";
import { checkShape, formatShape, normalizeAxis, type Shape, sameShape, sizeOf, stridesOf } from "../core/shape.ts";
import { differentiable } from "../tape/tape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { output } from "./output.ts";
import { reshape } from "./reshape.ts";
import { broadcastTo } from "./sum-and-broadcast.ts";

/** y = x[view], for a view that names no element twice.   VJP: x̄ = writeView(ȳ) with zeros elsewhere. */
const readView: (x: Tensor, view: View) => Tensor = differentiable("readView", (x: Tensor, view: View) => ({
  inputs: [x],
  value: output(view.shape, kernels().readView(x.storage, view)),
  vjp: [(g) => writeView(g, x.shape, view, 0)],
}));

/** y[view] = x, and y = `fill` elsewhere. y has the shape `shape`.   VJP: x̄ = readView(ȳ). */
const writeView: (x: Tensor, shape: Shape, view: View, fill: number) => Tensor = differentiable(
  "writeView",
  (x: Tensor, shape: Shape, view: View, fill: number) => ({
    inputs: [x],
    value: output(shape, kernels().assemble(x.dtype, sizeOf(shape), fill, [{ source: x.storage, view }])),
    vjp: [(g) => readView(g, view)],
  }),
);

/**
 * The axes of x in the order `axes`: x:[A,B,C] with the order [2,0,1] gives y:[C,A,B].
 * @throws ShapeError unless `axes` names each axis once.
 */
export function permute(x: Tensor, axes: readonly number[]): Tensor {
  const order = axes.map((axis) => normalizeAxis("permute", axis, x.rank));
  if (order.length !== x.rank || new Set(order).size !== x.rank)
    throw new ShapeError(`permute: axes must name each axis once, got [${axes}] for ${formatShape(x.shape)}`);
  if (order.every((axis, i) => axis === i)) return reshape(x, x.shape);
  const strides = stridesOf(x.shape);
  return readView(x, { shape: order.map((axis) => x.shape[axis]!), strides: order.map((axis) => strides[axis]!), offset: 0 });
}

/** x with two axes exchanged, by default the last two. @throws ShapeError for an axis that x does not have. */
export function transpose(x: Tensor, axisA = -2, axisB = -1): Tensor {
  const order = x.shape.map((_, axis) => axis);
  const [a, b] = [normalizeAxis("transpose", axisA, x.rank), normalizeAxis("transpose", axisB, x.rank)];
  order[a] = b;
  order[b] = a;
  return permute(x, order);
}

/**
 * The indices from `start` up to `end`, exclusive, in steps of `step`, by default 1. A negative number counts from the end. `undefined` is
 * the whole axis.
 */
export type Range = readonly [start: number, end: number, step?: number] | undefined;

/**
 * x[start:end:step, …], by NumPy's rule: `start` and `end` are clipped to the axis. Axes without a range are taken whole.
 * @throws ShapeError for more ranges than axes, numbers that are not integers, or a step below 1.
 */
export function slice(x: Tensor, ranges: readonly Range[]): Tensor {
  if (ranges.length > x.rank) throw new ShapeError(`slice: at most one range per axis, got ${ranges.length} for ${formatShape(x.shape)}`);
  const strides = stridesOf(x.shape);
  let offset = 0;
  const shape = x.shape.map((size, axis) => {
    const [from, to, step = 1] = ranges[axis] ?? [0, size];
    if (![from, to, step].every(Number.isInteger) || step < 1)
      throw new ShapeError(`slice: ranges must be integers with a step ≥ 1, got [${ranges[axis]}] on axis ${axis}`);
    const [start, end] = [from, to].map((end) => Math.min(size, Math.max(0, end < 0 ? end + size : end))) as [number, number];
    offset += start < size ? start * strides[axis]! : 0;
    strides[axis]! *= step;
    return Math.max(0, Math.ceil((end - start) / step));
  });
  return readView(x, { shape, strides, offset: sizeOf(shape) === 0 ? 0 : offset });
}

/** x with the order of the elements reversed along each of `axes`. @throws ShapeError for an axis that x does not have. */
export function flip(x: Tensor, axes: readonly number[]): Tensor {
  const strides = stridesOf(x.shape);
  let offset = 0;
  for (const axis of new Set(axes.map((a) => normalizeAxis("flip", a, x.rank)))) {
    offset += Math.max(0, x.shape[axis]! - 1) * strides[axis]!;
    strides[axis] = -strides[axis]!;
  }
  return readView(x, { shape: x.shape, strides, offset: x.size === 0 ? 0 : offset });
}

/**
 * The elements whose indices along all of `axes` agree: y[…,i] = x[…,i,…,i,…]. The axes become one new last axis.
 * @throws ShapeError unless there are two axes or more and all have the same size.
 */
export function diagonal(x: Tensor, axes: readonly number[]): Tensor {
  const chosen = [...new Set(axes.map((axis) => normalizeAxis("diagonal", axis, x.rank)))];
  const size = x.shape[chosen[0] ?? 0];
  if (chosen.length < 2 || size === undefined || chosen.some((axis) => x.shape[axis] !== size))
    throw new ShapeError(`diagonal: needs two or more axes of one size, got [${axes}] of ${formatShape(x.shape)}`);
  const strides = stridesOf(x.shape);
  const rest = x.shape.map((_, axis) => axis).filter((axis) => !chosen.includes(axis));
  const along = chosen.reduce((sum, axis) => sum + strides[axis]!, 0);
  return readView(x, {
    shape: [...rest.map((axis) => x.shape[axis]!), size],
    strides: [...rest.map((axis) => strides[axis]!), along],
    offset: 0,
  });
}

/**
 * x with `[before, after]` elements of `value`, by default 0, added along each axis.
 * @throws ShapeError unless each axis has two integers ≥ 0.
 */
export function pad(x: Tensor, widths: readonly (readonly [number, number])[], value = 0): Tensor {
  if (widths.length !== x.rank || widths.flat().some((width) => !Number.isInteger(width) || width < 0))
    throw new ShapeError(`pad: needs [before, after] ≥ 0 for each axis of ${formatShape(x.shape)}, got ${JSON.stringify(widths)}`);
  const shape = x.shape.map((size, axis) => size + widths[axis]![0] + widths[axis]![1]);
  const strides = stridesOf(shape);
  const offset = x.size === 0 ? 0 : strides.reduce((sum, stride, axis) => sum + stride * widths[axis]![0], 0);
  return writeView(x, shape, { shape: x.shape, strides, offset }, value);
}

/**
 * The parts one after the other along `axis`, by default axis 0.   VJP: the cotangent of each part is its slice of ȳ.
 * @throws ShapeError for no parts, or parts that differ in dtype, in rank, or in a size along another axis.
 */
export const concat: (parts: readonly Tensor[], axis?: number) => Tensor = differentiable(
  "concat",
  (parts: readonly Tensor[], axis = 0) => {
    const first = parts[0];
    if (first === undefined) throw new ShapeError("concat: needs at least one tensor, got none");
    const along = normalizeAxis("concat", axis, first.rank);
    for (const part of parts)
      if (part.dtype !== first.dtype || part.rank !== first.rank || part.shape.some((size, i) => i !== along && size !== first.shape[i]))
        throw new ShapeError(
          `concat: tensors must agree in dtype and in every size except that of axis ${along}, ` +
            `got ${parts.map((part) => `${part.dtype} ${formatShape(part.shape)}`).join(", ")}`,
        );
    const shape = first.shape.map((size, i) => (i === along ? parts.reduce((sum, part) => sum + part.shape[along]!, 0) : size));
    const strides = stridesOf(shape);
    let start = 0;
    const views = parts.map((part): View => {
      const offset = part.size === 0 ? 0 : start * strides[along]!;
      start += part.shape[along]!;
      return { shape: part.shape, strides, offset };
    });
    return {
      inputs: parts,
      value: output(
        shape,
        kernels().assemble(
          first.dtype,
          sizeOf(shape),
          0,
          parts.map((part, i) => ({ source: part.storage, view: views[i]! })),
        ),
      ),
      vjp: views.map((view) => (g: Tensor) => readView(g, view)),
    };
  },
);

/**
 * Tensors of one shape, one after the other along a new axis, by default axis 0.
 * @throws ShapeError for no parts, or shapes that differ.
 */
export function stack(parts: readonly Tensor[], axis = 0): Tensor {
  const first = parts[0];
  if (first === undefined) throw new ShapeError("stack: needs at least one tensor, got none");
  const at = normalizeAxis("stack", axis, first.rank + 1);
  if (parts.some((part) => !sameShape(part.shape, first.shape)))
    throw new ShapeError(`stack: shapes must agree, got ${parts.map((part) => formatShape(part.shape)).join(", ")}`);
  return concat(
    parts.map((part) => reshape(part, [...part.shape.slice(0, at), 1, ...part.shape.slice(at)])),
    at,
  );
}

/**
 * x repeated `counts[axis]` times along each axis: [a,b] with the counts [2] gives [a,b,a,b].
 * @throws ShapeError unless each axis has a count ≥ 0.
 */
export function tile(x: Tensor, counts: readonly number[]): Tensor {
  if (counts.length !== x.rank) throw new ShapeError(`tile: needs one count per axis of ${formatShape(x.shape)}, got [${counts}]`);
  checkShape("tile", counts);
  const split = reshape(
    x,
    x.shape.flatMap((size) => [1, size]),
  );
  const repeated = broadcastTo(
    split,
    x.shape.flatMap((size, axis) => [counts[axis]!, size]),
  );
  return reshape(
    repeated,
    x.shape.map((size, axis) => size * counts[axis]!),
  );
}
