/** sort and topk against selection by repeated search, with ties, NaN and empty axes. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ShapeError } from "../../src/core/errors.ts";
import { sizeOf } from "../../src/core/shape.ts";
import { gradients } from "../../src/grad/gradients.ts";
import { tensor, zeros } from "../../src/ops/creation.ts";
import { sort, topk } from "../../src/ops/sorting.ts";
import { shapesWithAxis } from "../arbitraries/shapes.ts";
import { seeds, type ValueKind, valuesOf } from "../arbitraries/values.ts";
import { at, build, expectTensor, indicesOf, type NdArray, toTensor } from "../support/nd-array.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";

onReferenceBackend();

/** Whether a belongs before b. NaN counts as the largest number. */
const before = (a: number, b: number, descending: boolean): boolean => {
  if (descending) return before(b, a, false);
  return Number.isNaN(b) ? !Number.isNaN(a) : a < b;
};

/** The positions of the elements in order: each search takes the first of the elements that no other element belongs before. */
function orderOf(values: readonly number[], descending: boolean): number[] {
  const left = values.map((_, i) => i);
  const order: number[] = [];
  while (left.length > 0) {
    const next = left.find((i) => !left.some((j) => before(values[j]!, values[i]!, descending)))!;
    order.push(next);
    left.splice(left.indexOf(next), 1);
  }
  return order;
}

/** The positions along `axis` in order, for every line of x. */
function ordersOf(x: NdArray, axis: number, descending: boolean): NdArray {
  const orders = new Map<string, number[]>();
  for (const index of indicesOf(x.shape.with(axis, 1))) {
    const line = Array.from({ length: x.shape[axis]! }, (_, k) => at(x, index.with(axis, k)));
    orders.set(index.join(), orderOf(line, descending));
  }
  return build(x.shape, (index) => orders.get(index.with(axis, 0).join())![index[axis]!]!);
}

const taken = (x: NdArray, order: NdArray, axis: number, count: number): NdArray =>
  build(x.shape.with(axis, count), (index) => at(x, index.with(axis, at(order, index))));

const drawn = fc.record({
  along: shapesWithAxis({ maxRank: 3, maxSize: 6 }),
  kind: fc.constantFrom<ValueKind>("normal", "integers", "nonFinite", "extreme"),
  descending: fc.boolean(),
  seed: seeds,
});

test("sort orders every line, keeps the order of equal elements, and counts NaN as the largest", () =>
  fc.assert(
    fc.asyncProperty(drawn, async ({ along: { shape, axis }, kind, descending, seed }) => {
      const x: NdArray = { shape, values: [...valuesOf(seed, sizeOf(shape), kind)] };
      const order = ordersOf(x, axis, descending);
      const { values, indices } = sort(toTensor(x), { axis, descending });
      await expectTensor(indices, order, 0);
      expect(indices.dtype).toBe("int32");
      await expectTensor(values, taken(x, order, axis, shape[axis]!), 0);
    }),
    { numRuns: 200 },
  ));

test("topk takes the first k of the sorted elements", () =>
  fc.assert(
    fc.asyncProperty(drawn, fc.nat(), async ({ along: { shape, axis }, kind, descending, seed }, draw) => {
      const x: NdArray = { shape, values: [...valuesOf(seed, sizeOf(shape), kind)] };
      const k = draw % (shape[axis]! + 1);
      const order = ordersOf(x, axis, descending);
      const { values, indices } = topk(toTensor(x), k, { axis: axis - shape.length, largest: descending });
      await expectTensor(
        indices,
        build(shape.with(axis, k), (index) => at(order, index)),
        0,
      );
      await expectTensor(values, taken(x, order, axis, k), 0);
    }),
    { numRuns: 200 },
  ));

describe("the numbers of PyTorch 1.13", () => {
  const x = [3, Number.NaN, -0, 0, Infinity, 3];
  test.each([
    [false, [-0, 0, 3, 3, Infinity, Number.NaN], [2, 3, 0, 5, 4, 1]],
    [true, [Number.NaN, Infinity, 3, 3, -0, 0], [1, 4, 0, 5, 2, 3]],
  ])("descending: %s", async (descending, values, indices) => {
    const sorted = sort(tensor(x), { descending });
    expect([...(await sorted.values.data())]).toEqual(values);
    expect([...(await sorted.indices.data())]).toEqual(indices);
  });
});

test("a cotangent goes back to the position of its element, also after the indices were disposed of", async () => {
  const x = tensor([0.5, 2, -1, 2], { dtype: "float64" });
  const { values, indices } = topk(x, 3);
  indices.dispose();
  const [g] = gradients(values, [x], { seed: tensor([1, 10, 100], { dtype: "float64" }) });
  expect([...(await g!.data())]).toEqual([100, 1, 0, 10]);
});

test.each([
  ["topk: k must be an integer in [0, 3], got 4", () => topk(zeros([2, 3]), 4)],
  ["topk: k must be an integer in [0, 2], got -1", () => topk(zeros([2, 3]), -1, { axis: 0 })],
  ["topk: k must be an integer in [0, 3], got 1.5", () => topk(zeros([2, 3]), 1.5)],
  ["topk: axis must be", () => topk(zeros([2, 3]), 1, { axis: 2 })],
  ["sort: axis must be", () => sort(zeros([]))],
  ["sort: operands must share one floating dtype, got int32", () => sort(tensor([1, 2], { dtype: "int32" }))],
])("refuses: %s", (message, attempt) => {
  expect(attempt).toThrow(ShapeError);
  expect(attempt).toThrow(message);
});
