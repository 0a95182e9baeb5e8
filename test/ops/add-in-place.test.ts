/** `addInPlace` is `add`, without a tensor for the first term. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { memory } from "../../src/backend/active.ts";
import { ShapeError } from "../../src/core/errors.ts";
import { broadcastShapes, sameShape } from "../../src/core/shape.ts";
import { gradients } from "../../src/grad/gradients.ts";
import { addInPlace } from "../../src/ops/add-in-place.ts";
import { zeros } from "../../src/ops/creation.ts";
import { add, multiply } from "../../src/ops/elementwise.ts";
import { noGrad, record } from "../../src/tape/tape.ts";
import { share, type Tensor } from "../../src/tensor/tensor.ts";
import { broadcastPairs } from "../arbitraries/shapes.ts";
import { seeds } from "../arbitraries/values.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";
import { sampleTensor } from "../support/sample.ts";

onReferenceBackend();

const valuesOf = (tensors: readonly Tensor[]): Promise<number[][]> => Promise.all(tensors.map(async (t) => [...(await t.data())]));

/** x·w with one VJP for both operands. */
const jointProduct = (x: Tensor, w: Tensor): Tensor =>
  record("jointProduct", { inputs: [x, w], value: noGrad(() => multiply(x, w)), vjp: (g) => [multiply(g, w), multiply(g, x)] });

test.each([multiply, jointProduct])("gives the bits of add, and of its gradients", (product) =>
  fc.assert(
    fc.asyncProperty(broadcastPairs({ maxRank: 3, maxSize: 4 }), seeds, async ({ a, b }, seed) => {
      const shape = broadcastShapes("test", a, b);
      const inputs = [shape, shape, b].map((size, i) => sampleTensor(size, seed + i)) as [Tensor, Tensor, Tensor];
      const of = async (sum: typeof addInPlace): Promise<number[][]> => {
        const y = sum(product(inputs[0], inputs[1]), inputs[2]);
        return valuesOf([y, ...gradients(y, inputs, { seed: sampleTensor(shape, seed + 3) })]);
      };
      expect(await of(addInPlace)).toEqual(await of(add));
    }),
  ),
);

test("frees the first term, and takes its storage where the shapes are equal", () =>
  fc.assert(
    fc.property(broadcastPairs({ maxRank: 3, maxSize: 4, empty: false }), seeds, ({ a, b }, seed) => {
      const shape = broadcastShapes("test", a, b);
      const [x, addend] = [sampleTensor(shape, seed), sampleTensor(b, seed + 1)];
      const y = multiply(x, x);
      const before = memory().storages;
      const sum = addInPlace(y, addend);
      expect(memory().storages).toBe(before);
      expect(sum.storage === y.storage).toBe(sameShape(shape, b));
      expect(sum.origin!.inputs).toEqual([x, x, addend]);
      const free = addInPlace(
        noGrad(() => multiply(x, x)),
        addend,
      );
      expect(free.origin!.inputs).toEqual([addend]);
      expect(noGrad(() => addInPlace(multiply(x, x), addend)).origin).toBeUndefined();
    }),
  ));

test("leaves a storage alone that another tensor shares", async () => {
  const [x, b] = [sampleTensor([3], 1), sampleTensor([3], 2)];
  const y = multiply(x, x);
  const other = share(y);
  const [before] = await valuesOf([other]);
  addInPlace(y, b);
  expect(await valuesOf([other])).toEqual([before]);
});

test("refuses a second term that is larger, or of another dtype", () => {
  expect(() => addInPlace(zeros([1, 3]), zeros([2, 3]))).toThrow(ShapeError);
  expect(() => addInPlace(zeros([3]), zeros([3], { dtype: "float64" }))).toThrow(ShapeError);
});
