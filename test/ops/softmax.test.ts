/** Softmax and its logarithm against their formulas, also on values for which the plain formula would overflow. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { ShapeError } from "../../src/core/errors.ts";
import { tensor } from "../../src/ops/creation.ts";
import { logSoftmax, softmax } from "../../src/ops/softmax.ts";
import { shapesWithAxis } from "../arbitraries/shapes.ts";
import { seeds } from "../arbitraries/values.ts";
import { at, build, expectTensor, expectValues, toTensor } from "../support/nd-array.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";
import { sample } from "../support/sample.ts";

onReferenceBackend();

test("softmax and logSoftmax equal their formulas along any axis", () =>
  fc.assert(
    fc.asyncProperty(shapesWithAxis(), seeds, fc.boolean(), async ({ shape, axis }, seed, fromEnd) => {
      const x = sample(shape, seed, -5, 5);
      const powers = (index: readonly number[]): number[] =>
        Array.from({ length: shape[axis]! }, (_, i) => Math.exp(at(x, index.with(axis, i))));
      const y = build(shape, (index) => {
        const all = powers(index);
        return all[index[axis]!]! / all.reduce((sum, p) => sum + p, 0);
      });
      const along = fromEnd ? axis - shape.length : axis;
      await expectTensor(softmax(toTensor(x), along), y);
      await expectTensor(logSoftmax(toTensor(x), along), { shape, values: y.values.map(Math.log) });
    }),
  ));

test.each(["float32", "float64"] as const)("nothing overflows at ±1e4, and −∞ has the probability 0 (%s)", async (dtype) => {
  const x = tensor(
    [
      [1e4, 1e4, -1e4],
      [-1e4, -1e4, -1e4],
      [0, -Infinity, -Infinity],
    ],
    { dtype },
  );
  expectValues(await softmax(x).data(), [0.5, 0.5, 0, 1 / 3, 1 / 3, 1 / 3, 1, 0, 0], 1e-7);
  const [half, third] = [-Math.log(2), -Math.log(3)];
  expectValues(await logSoftmax(x).data(), [half, half, -2e4 + half, third, third, third, 0, -Infinity, -Infinity], 1e-7);
});

test("a row of −∞ only, a row with +∞ and a row with NaN are NaN in every place, and the other rows are not", async () => {
  const bad = [
    [-Infinity, -Infinity],
    [Infinity, 1],
    [1, Infinity],
    [Infinity, Infinity],
    [Number.NaN, 0],
    [0, Number.NaN],
  ];
  for (const dtype of ["float32", "float64"] as const)
    for (const op of [softmax, logSoftmax]) {
      const y = await op(tensor([...bad, [0, 0]], { dtype })).data();
      expect([...y.subarray(0, 12)]).toEqual(new Array(12).fill(Number.NaN));
      expect([...y.subarray(12)].every(Number.isFinite)).toBe(true);
    }
});

test("softmax and logSoftmax refuse a scalar and an axis that does not exist", () => {
  for (const op of [softmax, logSoftmax]) {
    expect(() => op(tensor(1))).toThrow(ShapeError);
    expect(() => op(tensor([1]), 1)).toThrow(ShapeError);
  }
});
