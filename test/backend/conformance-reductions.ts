import fc from "fast-check";
import { expect, it } from "vitest";
import type { AxisSplit } from "../../src/backend/kernels.ts";
import { ShapeError } from "../../src/core/errors.ts";
import { axisSplits } from "../arbitraries/shapes.ts";
import { indicesOf, seeds, type ValueKind } from "../arbitraries/values.ts";
import { absolute, conforms, floating, holds, int32, onReference, type Run, type Subject } from "./conformance-harness.ts";
import { sumBound } from "./conformance-tolerance.ts";

const sizeOfSplit = ({ outer, axis, inner }: AxisSplit): number => outer * axis * inner;

/** Large enough for a backend to share the work among threads, in each way in which a reduction can be long. */
const largeSplits: fc.Arbitrary<AxisSplit> = fc
  .tuple(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 30, max: 60 }), fc.integer({ min: 30, max: 60 }), fc.nat({ max: 3 }))
  .map(
    ([few, some, more, form]) =>
      [
        { outer: few, axis: some, inner: more },
        { outer: 1, axis: few * some * more, inner: 1 },
        { outer: some * more, axis: few, inner: 1 },
        { outer: 1, axis: few, inner: some * more },
      ].at(form)!,
  );

const splits = (emptyAxis = true): fc.Arbitrary<AxisSplit> =>
  fc.oneof(
    { weight: 20, arbitrary: axisSplits(9, emptyAxis) },
    { weight: 4, arbitrary: axisSplits(40, emptyAxis) },
    { weight: 1, arbitrary: largeSplits },
  );

export function reductionConformance(subject: Subject): void {
  it("reduce sum", () =>
    holds(
      subject,
      fc.asyncProperty(
        seeds,
        fc.constantFrom<ValueKind>("normal", "positive", "integers", "nonFinite"),
        splits(),
        async (seed, kind, split) => {
          const inputs = [floating(subject.values(seed, sizeOfSplit(split), kind))];
          const run: Run = (k, [x]) => [k.reduce("sum", x!, split)];
          const [magnitudes] = onReference(inputs.map(absolute), run);
          await conforms(subject, { inputs, run, bound: (precision) => [sumBound(split.axis, magnitudes!, precision)] });
        },
      ),
    ));

  it("reduce max, NaN winning", () =>
    holds(
      subject,
      fc.asyncProperty(
        seeds,
        fc.constantFrom<ValueKind>("normal", "integers", "extreme", "nonFinite"),
        splits(),
        async (seed, kind, split) => {
          const inputs = [floating(subject.values(seed, sizeOfSplit(split), kind))];
          await conforms(subject, { inputs, run: (k, [x]) => [k.reduce("max", x!, split)] });
        },
      ),
    ));

  it("argmax finds the first maximum, or the first NaN", () =>
    holds(
      subject,
      fc.asyncProperty(seeds, fc.constantFrom<ValueKind>("normal", "integers", "nonFinite"), splits(false), async (seed, kind, split) => {
        const inputs = [floating(subject.values(seed, sizeOfSplit(split), kind))];
        await conforms(subject, { inputs, run: (k, [x]) => [k.argmax(x!, split)] });
      }),
    ));

  it("argmax of equal values is 0, also where all are −∞", () =>
    holds(
      subject,
      fc.asyncProperty(
        fc.constantFrom(...[-Infinity, 0, Infinity, Number.NaN].filter((value) => subject.tolerance.nonFinite || value === 0)),
        splits(false),
        async (value, split) => {
          const inputs = [floating(new Float64Array(sizeOfSplit(split)).fill(value))];
          await conforms(subject, { inputs, run: (k, [x]) => [k.argmax(x!, split)] });
        },
      ),
    ));

  it("argsort keeps the order of equal elements and counts NaN as the largest, and takeAlongAxis takes what stands there", () =>
    holds(
      subject,
      fc.asyncProperty(
        seeds,
        fc.constantFrom<ValueKind>("normal", "integers", "extreme", "nonFinite"),
        fc.oneof({ weight: 20, arbitrary: axisSplits(9) }, { weight: 4, arbitrary: axisSplits(40) }),
        fc.boolean(),
        async (seed, kind, split, descending) => {
          const sorting: Run = (k, [x]) => {
            const order = k.argsort(x!, descending, split);
            return [order, k.takeAlongAxis(x!, order, split)];
          };
          await conforms(subject, { inputs: [floating(subject.values(seed, sizeOfSplit(split), kind))], run: sorting });
          await conforms(subject, { inputs: [int32(subject.values(seed, sizeOfSplit(split), "integers"))], run: sorting });
        },
      ),
    ));

  const indexings = fc.record({ split: splits(), count: fc.nat({ max: 12 }), seed: seeds }).map(({ split, count, seed }) => {
    // An empty axis has no index to take.
    const indices = indicesOf(seed, split.axis === 0 ? 0 : count, Math.max(1, split.axis));
    return { split, seed, indices };
  });

  it("gather copies what stands at the indices", () =>
    holds(
      subject,
      fc.asyncProperty(indexings, async ({ split, seed, indices }) => {
        const data = subject.values(seed, sizeOfSplit(split), "extreme");
        await conforms(subject, { inputs: [floating(data), int32(indices)], run: (k, [x, j]) => [k.gather(x!, j!, split)] });
        const integers = int32(subject.values(seed, sizeOfSplit(split), "integers"));
        await conforms(subject, { inputs: [integers, int32(indices)], run: (k, [x, j]) => [k.gather(x!, j!, split)] });
      }),
    ));

  it("scatterAdd adds up what goes to the same index", () =>
    holds(
      subject,
      fc.asyncProperty(indexings, async ({ split, seed, indices }) => {
        const inputs = [floating(subject.values(seed, split.outer * indices.length * split.inner)), int32(indices)];
        const run: Run = (k, [y, j]) => [k.scatterAdd(y!, j!, split)];
        const [magnitudes] = onReference(inputs.map(absolute), run);
        await conforms(subject, { inputs, run, bound: (precision) => [sumBound(indices.length, magnitudes!, precision)] });
      }),
    ));

  it("gather and scatterAdd refuse an index outside the axis, naming it and the bound", () =>
    holds(
      subject,
      fc.property(
        axisSplits(5),
        fc.integer({ min: 1, max: 5 }),
        fc.nat(),
        fc.nat({ max: 3 }),
        fc.boolean(),
        (split, count, pick, beyond, below) => {
          const bad = below ? -1 - beyond : split.axis + beyond;
          const k = subject.kernels();
          const before = k.memory().storages;
          const x = k.full("float32", sizeOfSplit(split), 1);
          const y = k.full("float32", split.outer * count * split.inner, 1);
          const indices = k.upload(
            "int32",
            Array.from({ length: count }, (_, i) => (i === pick % count || split.axis === 0 ? bad : 0)),
          );
          for (const attempt of [() => k.gather(x, indices, split), () => k.scatterAdd(y, indices, split)]) {
            expect(attempt).toThrow(ShapeError);
            expect(attempt).toThrow(new RegExp(`${split.axis}\\).*got ${bad}`));
          }
          for (const storage of [x, y, indices]) storage.release();
          expect(k.memory().storages, "a kernel that throws leaves nothing allocated").toBe(before);
        },
      ),
    ));
}
