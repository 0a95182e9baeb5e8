/** Arbitrary shapes, axes, permutations, broadcasts and splits around one axis. Sizes shrink towards 1 and ranks towards 0. */

import fc from "fast-check";
import type { AxisSplit } from "../../src/backend/kernels.ts";
import type { Shape } from "../../src/core/shape.ts";

export interface ShapeLimits {
  /** Default: 0. */
  readonly minRank?: number;
  /** Default: 4. */
  readonly maxRank?: number;
  /** The largest size of an axis. Default: 5. */
  readonly maxSize?: number;
  /** Whether a size may be 0. Default: true; about one in thirteen is. */
  readonly empty?: boolean;
}

/** Sizes of one axis: 1 … max, and in one of thirteen cases 0 unless `empty` is false. */
export const sizes = (max: number, empty = true): fc.Arbitrary<number> => {
  const positive = fc.integer({ min: 1, max });
  return empty ? fc.oneof({ weight: 12, arbitrary: positive }, { weight: 1, arbitrary: fc.constant(0) }) : positive;
};

export const shapes = ({ minRank = 0, maxRank = 4, maxSize = 5, empty = true }: ShapeLimits = {}): fc.Arbitrary<number[]> =>
  fc.array(sizes(maxSize, empty), { minLength: minRank, maxLength: maxRank });

/** Two shapes that broadcast together, and the shape they broadcast to. */
export interface BroadcastPair {
  readonly a: Shape;
  readonly b: Shape;
  readonly out: Shape;
}

type Sharing = "both" | "a repeats" | "b repeats";

export const broadcastPairs = (limits: ShapeLimits = {}): fc.Arbitrary<BroadcastPair> =>
  shapes(limits).chain((out) =>
    fc
      .record({
        sharing: fc.tuple(...out.map(() => fc.constantFrom<Sharing>("both", "a repeats", "b repeats"))),
        missing: fc.nat({ max: out.length }),
        shorter: fc.constantFrom("a", "b"),
      })
      .map(({ sharing, missing, shorter }) => {
        // The shorter operand repeats along the axes that it lacks, so the other operand must have their full size.
        const absent = (axis: number, operand: string): boolean => operand === shorter && axis < missing;
        const repeats = (axis: number, operand: string): boolean =>
          axis < missing ? operand === shorter : sharing[axis] === `${operand} repeats`;
        const operand = (name: string): number[] =>
          out.flatMap((size, axis) => (absent(axis, name) ? [] : [repeats(axis, name) ? 1 : size]));
        return { a: operand("a"), b: operand("b"), out };
      }),
  );

/** Permutations of the axes 0 … rank−1. They shrink towards the identity. */
export const permutations = (rank: number): fc.Arbitrary<number[]> =>
  fc.tuple(...Array.from({ length: rank }, (_, axis) => fc.nat({ max: rank - 1 - axis }))).map((choices) => {
    const left = Array.from({ length: rank }, (_, axis) => axis);
    return choices.map((choice) => left.splice(choice, 1)[0]!);
  });

/** Distinct axes of a tensor in any order. Some are negative, which counts them from the end. */
export const axisSubsets = (rank: number, minLength = 0): fc.Arbitrary<number[]> =>
  fc
    .tuple(
      permutations(rank),
      fc.integer({ min: Math.min(minLength, rank), max: rank }),
      fc.array(fc.boolean(), { minLength: rank, maxLength: rank }),
    )
    .map(([order, count, fromEnd]) => order.slice(0, count).map((axis, i) => (fromEnd[i] ? axis - rank : axis)));

/** Shapes, each with one of its axes. */
export const shapesWithAxis = (limits: ShapeLimits = {}): fc.Arbitrary<{ shape: number[]; axis: number }> =>
  shapes({ ...limits, minRank: Math.max(1, limits.minRank ?? 1) }).chain((shape) =>
    fc.record({ shape: fc.constant(shape), axis: fc.nat({ max: shape.length - 1 }) }),
  );

/** Sizes [outer, axis, inner], some of them 0. `emptyAxis: false` excludes 0 for `axis`. Default: true. */
export const axisSplits = (max: number, emptyAxis = true): fc.Arbitrary<AxisSplit> =>
  fc.record({ outer: sizes(max), axis: sizes(max, emptyAxis), inner: sizes(max) });
