import fc from "fast-check";
import { expect, it } from "vitest";
import type { AxisSplit } from "../../src/backend/kernels.ts";
import { axisSplits, sizes } from "../arbitraries/shapes.ts";
import { seeds, type ValueKind, valuesOf } from "../arbitraries/values.ts";
import { conforms, floating, holds, type Subject } from "./conformance-harness.ts";
import { cosineTransformRoundings, type Precision } from "./conformance-tolerance.ts";

/** 2^a·3^b·5^c with every radix in first, middle and last place, and neighbours with no fast algorithm. */
const long = fc.constantFrom(96, 97, 100, 108, 125, 128, 135, 150, 160, 161, 180, 192, 200, 216, 225, 240, 243, 250, 256);

const splits: fc.Arbitrary<AxisSplit> = fc.oneof(
  { weight: 6, arbitrary: axisSplits(9) },
  { weight: 6, arbitrary: fc.record({ outer: sizes(3), axis: sizes(90), inner: sizes(40) }) },
  { weight: 2, arbitrary: fc.record({ outer: sizes(3), axis: long, inner: sizes(20) }) },
  // many columns, to be shared among threads
  { weight: 1, arbitrary: fc.record({ outer: sizes(40), axis: sizes(30), inner: sizes(40) }) },
);

const columnOf = (index: number, { axis, inner }: AxisSplit): number => Math.floor(index / (axis * inner)) * inner + (index % inner);

/** The same for all elements of a column: it depends on the column's norm. */
function bound(x: Float64Array, split: AxisSplit, { unit, underflow, sides }: Precision): Float64Array {
  const squares = new Float64Array(split.outer * split.inner);
  for (const [i, value] of x.entries()) squares[columnOf(i, split)]! += value ** 2;
  const { dense, fast = 0 } = cosineTransformRoundings(split.axis);
  const roundings = Math.max(dense, fast);
  return x.map((_, i) => sides * roundings * (unit * 2 * Math.sqrt(split.axis * squares[columnOf(i, split)]!) + underflow));
}

export function cosineTransformConformance(subject: Subject): void {
  it("cosineTransform: both directions, fast lengths and others", () =>
    holds(
      subject,
      fc.asyncProperty(
        seeds,
        fc.constantFrom<ValueKind>("normal", "positive", "integers"),
        splits,
        fc.boolean(),
        async (seed, kind, split, transpose) => {
          const x = subject.values(seed, split.outer * split.axis * split.inner, kind);
          await conforms(subject, {
            inputs: [floating(x)],
            run: (k, [input]) => [k.cosineTransform(input!, transpose, split)],
            bound: (precision) => [bound(x, split, precision)],
          });
        },
      ),
      150,
    ));

  it.skipIf(!subject.tolerance.nonFinite)("cosineTransform: what is not finite stays in its column", () =>
    holds(
      subject,
      fc.asyncProperty(seeds, splits, fc.boolean(), fc.constantFrom(Number.NaN, Infinity), async (seed, split, transpose, value) => {
        const length = split.outer * split.axis * split.inner;
        fc.pre(length > 0);
        const clean = valuesOf(seed, length);
        const spoilt = clean.with(seed % length, value);
        const k = subject.kernels();
        const [y, z] = await Promise.all(
          [clean, spoilt].map(async (x) => {
            const input = k.upload("float32", x);
            const result = k.cosineTransform(input, transpose, split);
            const elements = await result.read();
            input.release();
            result.release();
            return elements;
          }),
        );
        for (let i = 0; i < length; i++)
          if (columnOf(i, split) !== columnOf(seed % length, split)) expect(z![i]).toBe(y![i]);
          else expect(Number.isFinite(z![i]!)).toBe(false);
      }),
    ),
  );
}
