/**
 * Arbitrary views of contiguous tensors: slices (with steps, also negative ones), broadcasts and permutations. A property draws the recipe
 * and builds the view, so that a counterexample shows where the strides come from.
 */

import fc from "fast-check";
import type { View } from "../../src/backend/kernels.ts";
import { type Shape, sizeOf, stridesOf } from "../../src/core/shape.ts";
import { permutations, type ShapeLimits, shapes } from "./shapes.ts";

/** The slice of one axis: `count` elements from `start` on, `step` apart. `repeat` is the size of a new axis along which they repeat. */
export interface AxisSlice {
  readonly start: number;
  readonly step: number;
  readonly count: number;
  readonly repeat: number | undefined;
}

export interface ViewRecipe {
  readonly shape: Shape;
  readonly slices: readonly AxisSlice[];
  readonly order: readonly number[];
}

/** Slices of an axis of this size, forwards or backwards. */
const slicesOf = (size: number, repeats: boolean): fc.Arbitrary<AxisSlice> =>
  fc
    .record({
      start: fc.nat({ max: Math.max(0, size - 1) }),
      step: fc.constantFrom(1, 2, 3, -1, -2),
      share: fc.nat({ max: 4 }),
      repeat: repeats ? fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined, freq: 3 }) : fc.constant(undefined),
    })
    .map(({ start, step, share, repeat }) => {
      const room = size === 0 ? 0 : step > 0 ? Math.ceil((size - start) / step) : Math.floor(start / -step) + 1;
      return { start, step, count: Math.ceil((room * share) / 4), repeat };
    });

/** `repeats: false` excludes broadcasts, so that a view shows no element twice and can be written. Default: true. */
export const viewRecipes = (limits: ShapeLimits & { readonly repeats?: boolean } = {}): fc.Arbitrary<ViewRecipe> =>
  shapes({ maxRank: 3, ...limits })
    .chain((shape) =>
      fc.record({ shape: fc.constant(shape), slices: fc.tuple(...shape.map((size) => slicesOf(size, limits.repeats ?? true))) }),
    )
    .chain(({ shape, slices }) => {
      const rank = slices.reduce((count, slice) => count + (slice.repeat === undefined ? 1 : 2), 0);
      return fc.record({ shape: fc.constant(shape), slices: fc.constant(slices), order: permutations(rank) });
    });

/** The view of a recipe, and the number of elements of its storage. */
export function buildView({ shape, slices, order }: ViewRecipe): { length: number; view: View } {
  const strides = stridesOf(shape);
  const axes = slices.flatMap(({ step, count, repeat }, axis) => [
    { size: count, stride: strides[axis]! * step },
    ...(repeat === undefined ? [] : [{ size: repeat, stride: 0 }]),
  ]);
  const view = {
    shape: order.map((axis) => axes[axis]!.size),
    strides: order.map((axis) => axes[axis]!.stride),
    offset: slices.reduce((offset, slice, axis) => offset + slice.start * strides[axis]!, 0),
  };
  return { length: sizeOf(shape), view };
}
