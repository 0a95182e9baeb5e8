/** gather and scatterAdd against index arithmetic. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { ShapeError } from "../../src/core/errors.ts";
import { sizeOf } from "../../src/core/shape.ts";
import { tensor } from "../../src/ops/creation.ts";
import { gather, scatterAdd } from "../../src/ops/indexing.ts";
import { shapes, shapesWithAxis } from "../arbitraries/shapes.ts";
import { indicesOf as drawIndices, seeds } from "../arbitraries/values.ts";
import { at, build, expectTensor, indicesOf, toTensor } from "../support/nd-array.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";
import { sample } from "../support/sample.ts";

onReferenceBackend();

test("gather takes along an axis, and scatterAdd adds along it", () =>
  fc.assert(
    fc.asyncProperty(shapesWithAxis({ maxRank: 3 }), shapes({ maxRank: 2, maxSize: 4 }), seeds, async ({ shape, axis }, where, seed) => {
      fc.pre(shape[axis] !== 0);
      const x = sample(shape, seed);
      const indices = drawIndices(seed, sizeOf(where), shape[axis]!);
      const positions = { shape: where, values: [...indices] };
      const taken = build([...shape.slice(0, axis), ...where, ...shape.slice(axis + 1)], (index) =>
        at(x, [...index.slice(0, axis), at(positions, index.slice(axis, axis + where.length)), ...index.slice(axis + where.length)]),
      );
      const selector = tensor(indices, { shape: where });
      await expectTensor(gather(toTensor(x), selector, axis), taken);
      await expectTensor(gather(toTensor(x), selector, axis - shape.length), taken);

      const y = sample(taken.shape, seed + 1);
      const added = build(shape, (index) => {
        let total = 0;
        for (const i of indicesOf(where))
          if (at(positions, i) === index[axis]) total += at(y, [...index.slice(0, axis), ...i, ...index.slice(axis + 1)]);
        return total;
      });
      await expectTensor(scatterAdd(toTensor(y), selector, shape, axis), added);
    }),
  ));

test("indices out of range, indices of another dtype, and operands that do not fit are refused", () => {
  const x = tensor([1, 2, 3]);
  for (const index of [-1, 3]) {
    expect(() => gather(x, tensor(Int32Array.of(0, index)))).toThrow(ShapeError);
    expect(() => scatterAdd(tensor([1, 1]), tensor(Int32Array.of(0, index)), [3])).toThrow(ShapeError);
  }
  expect(() => gather(x, tensor([0]))).toThrow("gather: indices must be int32");
  expect(() => gather(tensor(1), tensor(Int32Array.of(0)))).toThrow(ShapeError);
  expect(() => scatterAdd(tensor([1, 1, 1]), tensor(Int32Array.of(0, 1)), [3])).toThrow("scatterAdd: y must be");
  expect(() => scatterAdd(tensor([1]), tensor(Int32Array.of(0)), [0])).toThrow(ShapeError);
});
