/** cumsum against loops, and prod where elements are 0. prod's values for any axes are tested with the other reductions. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { memory } from "../../src/backend/active.ts";
import { ShapeError } from "../../src/core/errors.ts";
import { sizeOf } from "../../src/core/shape.ts";
import { gradients } from "../../src/grad/gradients.ts";
import { cumsum, prod } from "../../src/ops/accumulate.ts";
import { tensor, zeros } from "../../src/ops/creation.ts";
import { shapesWithAxis } from "../arbitraries/shapes.ts";
import { seeds, valuesOf } from "../arbitraries/values.ts";
import { at, build, expectTensor, type NdArray, toTensor } from "../support/nd-array.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";

onReferenceBackend();

test("cumsum is the sum of the elements up to each element, and NaN and ∞ reach no earlier element", () =>
  fc.assert(
    fc.asyncProperty(shapesWithAxis({ maxSize: 9, maxRank: 3 }), seeds, async ({ shape, axis }, seed) => {
      const x: NdArray = { shape, values: [...valuesOf(seed, sizeOf(shape), seed % 2 ? "nonFinite" : "normal")] };
      await expectTensor(
        cumsum(toTensor(x), axis - shape.length),
        build(shape, (index) => {
          let total = 0;
          for (let k = 0; k <= index[axis]!; k++) total += at(x, index.with(axis, k));
          return total;
        }),
      );
    }),
    { numRuns: 150 },
  ));

test("cumsum leaves nothing but its result allocated", () => {
  const x = zeros([3, 7]);
  const { storages } = memory();
  const y = cumsum(x);
  expect(memory().storages).toBe(storages + 1);
  y.dispose();
  expect(memory().storages).toBe(storages);
});

test.each([
  [
    [2, 3, 4],
    [12, 8, 6],
  ],
  [
    [2, 0, 4],
    [0, 8, 0],
  ],
  [
    [0, 3, 0],
    [0, 0, 0],
  ],
])("the gradient of the product of %j is %j, the products of the others", async (values, expected) => {
  const x = tensor(values, { dtype: "float64" });
  const [g] = gradients(prod(x), [x]);
  expect([...(await g!.data())]).toEqual(expected);
});

test("second derivatives of a product with two zeros are the products of the others", async () => {
  const x = tensor([0, 3, 0], { dtype: "float64" });
  const [g] = gradients(prod(x), [x], { createGraph: true });
  const [h] = gradients(g!, [x], { seed: tensor([1, 0, 0], { dtype: "float64" }) });
  expect([...(await h!.data())]).toEqual([0, 0, 3]);
});

test("errors name the op", () => {
  for (const [name, attempt] of [
    ["cumsum", () => cumsum(zeros([2]), 1)],
    ["cumsum", () => cumsum(tensor([1], { dtype: "int32" }))],
    ["prod", () => prod(zeros([2]), { axes: 1 })],
    ["prod", () => prod(tensor([1], { dtype: "int32" }))],
  ] as const) {
    expect(attempt).toThrow(ShapeError);
    expect(attempt).toThrow(`${name}: `);
  }
});
