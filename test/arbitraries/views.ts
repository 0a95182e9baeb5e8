/**
 * Views: a contiguous tensor seen through a chain of permute, slice (with a step, backwards too) and broadcast. Drawn as the recipe, built
 * inside the property, so that a counterexample says how the strides came about.
 */

import fc from "fast-check";
import type { View } from "../../src/backend/kernels.ts";
import { type Shape, sizeOf, stridesOf } from "../../src/core/shape.ts";
import { permutations, type ShapeLimits, shapes } from "./shapes.ts";

/** What happens to one axis: `count` of its elements from `start`, `step` apart; and how it is repeated along a new axis, if at all. */
export interface AxisCut {
  readonly start: number;
  readonly step: number;
  readonly count: number;
  readonly repeat: number | undefined;
}

export interface ViewRecipe {
  readonly shape: Shape;
  readonly cuts: readonly AxisCut[];
  readonly order: readonly number[];
}

/** Cuts of an axis of `size`: forwards or backwards from a start that exists. */
const cutsOf = (size: number, repeats: boolean): fc.Arbitrary<AxisCut> =>
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

/** `repeats: false` leaves out broadcasting, so no element is seen twice and the view can be written through. */
export const viewRecipes = (limits: ShapeLimits & { readonly repeats?: boolean } = {}): fc.Arbitrary<ViewRecipe> =>
  shapes({ maxRank: 3, ...limits })
    .chain((shape) =>
      fc.record({ shape: fc.constant(shape), cuts: fc.tuple(...shape.map((size) => cutsOf(size, limits.repeats ?? true))) }),
    )
    .chain(({ shape, cuts }) => {
      const rank = cuts.reduce((count, cut) => count + (cut.repeat === undefined ? 1 : 2), 0);
      return fc.record({ shape: fc.constant(shape), cuts: fc.constant(cuts), order: permutations(rank) });
    });

/** The view of a recipe and the number of elements of the storage it looks at. */
export function buildView({ shape, cuts, order }: ViewRecipe): { length: number; view: View } {
  const strides = stridesOf(shape);
  const axes = cuts.flatMap(({ step, count, repeat }, axis) => [
    { size: count, stride: strides[axis]! * step },
    ...(repeat === undefined ? [] : [{ size: repeat, stride: 0 }]),
  ]);
  const view = {
    shape: order.map((axis) => axes[axis]!.size),
    strides: order.map((axis) => axes[axis]!.stride),
    offset: cuts.reduce((offset, cut, axis) => offset + cut.start * strides[axis]!, 0),
  };
  return { length: sizeOf(shape), view };
}
