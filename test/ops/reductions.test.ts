/** Reductions against loops over multi-indices, for any axes, kept or dropped, also of size 0. Then broadcastTo, sumTo and reshape. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ShapeError } from "../../src/core/errors.ts";
import { type Shape, sizeOf } from "../../src/core/shape.ts";
import { prod } from "../../src/ops/accumulate.ts";
import { tensor } from "../../src/ops/creation.ts";
import type { ReduceOptions } from "../../src/ops/reduce-axes.ts";
import { argmax, logSumExp, max, mean, min, variance } from "../../src/ops/reductions.ts";
import { reshape } from "../../src/ops/reshape.ts";
import { broadcastTo, sum, sumTo } from "../../src/ops/sum-and-broadcast.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { axisSubsets, broadcastPairs, shapes, shapesWithAxis } from "../arbitraries/shapes.ts";
import { seeds, valuesOf } from "../arbitraries/values.ts";
import { at, broadcastAt, build, expectTensor, expectValues, indicesOf, type NdArray, toTensor } from "../support/nd-array.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";

onReferenceBackend();

const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);
const largest = (values: readonly number[]): number => values.reduce((best, v) => (Number.isNaN(best) || best > v ? best : v), -Infinity);
const spread = (values: readonly number[], correction: number): number => {
  const centre = total(values) / values.length;
  const freedom = Math.max(0, values.length - correction);
  return total(values.map((v) => (v - centre) ** 2)) / freedom;
};
const logTotal = (values: readonly number[]): number => {
  const top = largest(values);
  return Number.isFinite(top) ? top + Math.log(total(values.map((v) => Math.exp(v - top)))) : top;
};

const reductions: Record<string, { op: (x: Tensor, options: ReduceOptions) => Tensor; f: (values: readonly number[]) => number }> = {
  sum: { op: sum, f: total },
  mean: { op: mean, f: (values) => total(values) / values.length },
  max: { op: max, f: largest },
  min: { op: min, f: (values) => 0 - largest(values.map((v) => 0 - v)) },
  prod: { op: prod, f: (values) => values.reduce((product, value) => product * value, 1) },
  logSumExp: { op: logSumExp, f: logTotal },
  "variance, correction 0": { op: (x, options) => variance(x, { ...options, correction: 0 }), f: (values) => spread(values, 0) },
  "variance, correction 1": { op: variance, f: (values) => spread(values, 1) },
  "variance, correction 2": { op: (x, options) => variance(x, { ...options, correction: 2 }), f: (values) => spread(values, 2) },
};

/** The reduction of x by f, which gets the elements that meet at an index of the result. */
function reduceBy(x: NdArray, axes: readonly number[], keepDims: boolean, f: (values: readonly number[]) => number): NdArray {
  const gone = new Set(axes.map((axis) => (axis + x.shape.length) % x.shape.length));
  const kept = x.shape.map((size, axis) => (gone.has(axis) ? 1 : size));
  const values = [...indicesOf(kept)].map((index) =>
    f(
      [...indicesOf(x.shape.filter((_, axis) => gone.has(axis)))].map((inner) => {
        const rest = [...inner];
        return at(
          x,
          index.map((i, axis) => (gone.has(axis) ? rest.shift()! : i)),
        );
      }),
    ),
  );
  return { shape: keepDims ? kept : x.shape.filter((_, axis) => !gone.has(axis)), values };
}

const draw = (shape: Shape, seed: number): NdArray => ({
  shape,
  values: [...valuesOf(seed, sizeOf(shape), seed % 2 ? "integers" : "normal")],
});

describe.each(Object.entries(reductions))("%s", (_, { op, f }) => {
  test("equals its formula over any axes", () =>
    fc.assert(
      fc.asyncProperty(
        shapes().chain((shape) => fc.tuple(fc.constant(shape), fc.option(axisSubsets(shape.length), { nil: undefined }))),
        fc.boolean(),
        seeds,
        async ([shape, axes], keepDims, seed) => {
          const x = draw(shape, seed);
          const expected = reduceBy(x, axes ?? shape.map((_, axis) => axis), keepDims, f);
          await expectTensor(op(toTensor(x), { keepDims, ...(axes === undefined ? {} : { axes }) }), expected);
        },
      ),
      { numRuns: 150 },
    ));

  test("refuses axes that do not exist or repeat", () => {
    const x = tensor([[1, 2]]);
    expect(() => op(x, { axes: 2 })).toThrow(ShapeError);
    expect(() => op(x, { axes: [0, -2] })).toThrow(ShapeError);
    expect(() => op(x, { axes: 0.5 })).toThrow(ShapeError);
  });
});

test("max and logSumExp of infinities, of NaN, and of no elements", async () => {
  const x = tensor(Float64Array.of(-Infinity, -Infinity, 1, Infinity, Number.NaN, 2, 1e4, 1e4), { shape: [4, 2] });
  expectValues(await max(x, { axes: 1 }).data(), [-Infinity, Infinity, Number.NaN, 1e4]);
  expectValues(await logSumExp(x, { axes: 1 }).data(), [-Infinity, Infinity, Number.NaN, 1e4 + Math.LN2]);
  const none = tensor(new Float64Array(0), { shape: [2, 0] });
  expectValues(await max(none, { axes: 1 }).data(), [-Infinity, -Infinity]);
  expectValues(await logSumExp(none, { axes: 1 }).data(), [-Infinity, -Infinity]);
  expectValues(await sum(none, { axes: 1 }).data(), [0, 0]);
});

test("the variance is NaN if there are no more values than its correction", async () => {
  for (const count of [0, 1]) expectValues(await variance(tensor(new Float64Array(count))).data(), [Number.NaN]);
  expectValues(await variance(tensor(Float64Array.of(3)), { correction: 2 }).data(), [Number.NaN]);
});

test("argmax is the first position of the maximum, or of a NaN if there is one", () =>
  fc.assert(
    fc.asyncProperty(
      shapesWithAxis(),
      fc.constantFrom("integers", "nonFinite"),
      seeds,
      fc.boolean(),
      async ({ shape, axis }, kind, seed, fromEnd) => {
        fc.pre(shape[axis] !== 0);
        const x: NdArray = { shape, values: [...valuesOf(seed, sizeOf(shape), kind)] };
        const first = (values: readonly number[]): number =>
          values.some(Number.isNaN) ? values.findIndex(Number.isNaN) : values.indexOf(largest(values));
        const got = argmax(toTensor(x), fromEnd ? axis - shape.length : axis);
        expect(got.dtype).toBe("int32");
        await expectTensor(got, reduceBy(x, [axis], false, first));
      },
    ),
  ));

test("argmax refuses an empty axis and a scalar", () => {
  expect(() => argmax(tensor(new Float64Array(0), { shape: [2, 0] }))).toThrow("argmax: the axis must not be empty");
  expect(() => argmax(tensor(1))).toThrow(ShapeError);
});

test("broadcastTo repeats elements, and sumTo adds up the copies", () =>
  fc.assert(
    fc.asyncProperty(broadcastPairs(), seeds, async ({ a, out }, seed) => {
      const x = draw(a, seed);
      const grown = build(out, (index) => broadcastAt(x, index));
      await expectTensor(broadcastTo(toTensor(x), out), grown);
      const repeats = sizeOf(a) === 0 ? 0 : sizeOf(out) / sizeOf(a);
      await expectTensor(sumTo(toTensor(grown), a), { shape: a, values: x.values.map((v) => v * repeats) });
    }),
  ));

test("broadcastTo refuses a shape that x does not broadcast to", () => {
  for (const [from, to] of [
    [[2], [1]],
    [[2], [3]],
    [[1, 2], [2]],
    [[0], [1]],
  ] as const)
    expect(() => broadcastTo(tensor(new Float64Array(sizeOf(from)), { shape: from }), to)).toThrow(ShapeError);
});

describe("reshape", () => {
  test("keeps the elements in order, and fills in one size of -1", () =>
    fc.assert(
      fc.asyncProperty(shapes({ minRank: 1, empty: false }), fc.nat(), seeds, async (shape, which, seed) => {
        const x = draw([sizeOf(shape)], seed);
        await expectTensor(reshape(toTensor(x), shape), { shape, values: x.values });
        await expectTensor(reshape(toTensor(x), shape.with(which % shape.length, -1)), { shape, values: x.values });
      }),
    ));

  test.each([[[5]], [[-1, -1]], [[-1, 4]], [[-2, -3]], [[1.5, 4]], [[-1, 0]]])("refuses [2,3] → %j", (shape) =>
    expect(() =>
      reshape(
        tensor([
          [1, 2, 3],
          [4, 5, 6],
        ]),
        shape,
      ),
    ).toThrow(ShapeError),
  );
});
