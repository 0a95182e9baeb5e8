/** Elementwise ops of two operands, and `where`, against loops over multi-indices, for shapes that broadcast. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ShapeError } from "../../src/core/errors.ts";
import { sizeOf } from "../../src/core/shape.ts";
import { tensor } from "../../src/ops/creation.ts";
import * as elementwise from "../../src/ops/elementwise.ts";
import type { Operand } from "../../src/ops/output.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { broadcastPairs, shapes } from "../arbitraries/shapes.ts";
import { seeds, valuesOf } from "../arbitraries/values.ts";
import { broadcastAt, build, expectTensor, type NdArray, toTensor } from "../support/nd-array.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";

onReferenceBackend();

const formulas: Record<string, { op: (a: Operand, b: Operand) => Tensor; f: (a: number, b: number) => number }> = {
  add: { op: elementwise.add, f: (a, b) => a + b },
  subtract: { op: elementwise.subtract, f: (a, b) => a - b },
  multiply: { op: elementwise.multiply, f: (a, b) => a * b },
  divide: { op: elementwise.divide, f: (a, b) => a / b },
  power: { op: elementwise.power, f: (a, b) => (a === 1 || (a === -1 && !Number.isFinite(b) && !Number.isNaN(b)) ? 1 : a ** b) },
  maximum: { op: elementwise.maximum, f: (a, b) => (Number.isNaN(a) || a > b ? a : b) },
  minimum: { op: elementwise.minimum, f: (a, b) => (Number.isNaN(a) || a < b ? a : b) },
  equal: { op: elementwise.equal, f: (a, b) => (a === b ? 1 : 0) },
  notEqual: { op: elementwise.notEqual, f: (a, b) => (a === b ? 0 : 1) },
  less: { op: elementwise.less, f: (a, b) => (a < b ? 1 : 0) },
  lessEqual: { op: elementwise.lessEqual, f: (a, b) => (a <= b ? 1 : 0) },
  greater: { op: elementwise.greater, f: (a, b) => (a > b ? 1 : 0) },
  greaterEqual: { op: elementwise.greaterEqual, f: (a, b) => (a >= b ? 1 : 0) },
  reluGradient: { op: (a, b) => elementwise.reluGradient(a as Tensor, b as Tensor), f: (x, g) => (x > 0 ? g : 0) },
};

/** Small integers, so that many of them are equal. For every third seed there are infinities and NaN among them. */
const drawn = (shape: readonly number[], seed: number): NdArray => ({
  shape,
  values: [...valuesOf(seed, sizeOf(shape), seed % 3 === 0 ? "nonFinite" : "integers")],
});

describe.each(Object.entries(formulas))("%s", (name, { op, f }) => {
  test("equals its formula at every index of the broadcast shape", () =>
    fc.assert(
      fc.asyncProperty(broadcastPairs(), seeds, async (pair, seed) => {
        const [a, b] = [drawn(pair.a, seed), drawn(pair.b, seed + 1)];
        const expected = build(pair.out, (index) => f(broadcastAt(a, index), broadcastAt(b, index)));
        await expectTensor(op(toTensor(a), toTensor(b)), expected, 1e-14);
      }),
      { numRuns: 60 },
    ));

  test("refuses shapes and dtypes that do not fit, and names the op", () => {
    expect(() => op(tensor([1, 2]), tensor([1, 2, 3]))).toThrow(ShapeError);
    expect(() => op(tensor([1, 2]), tensor([1, 2, 3]))).toThrow(`${name}: sizes must agree or be 1`);
    expect(() => op(tensor([1]), tensor(Float64Array.of(1)))).toThrow(`${name}: operands must share one floating dtype`);
    expect(() => op(tensor(Int32Array.of(1)), tensor(Int32Array.of(1)))).toThrow(ShapeError);
  });
});

test("a number takes the dtype of the other operand", async () => {
  const x = tensor(Float64Array.of(0.5));
  expect(elementwise.add(x, 0.1).dtype).toBe("float64");
  expect([...(await elementwise.subtract(1, x).data())]).toEqual([0.5]);
  expect(elementwise.add(1, 2).shape).toEqual([]);
  expect(await elementwise.add(1, 2).item()).toBe(3);
});

test("where selects element by element, and its three operands broadcast together", () =>
  fc.assert(
    fc.asyncProperty(broadcastPairs(), shapes({ maxRank: 0 }), seeds, fc.constantFrom(0, 1, 2), async (pair, scalar, seed, turn) => {
      const parts = [drawn(pair.a, 3 * seed + 1), drawn(pair.b, 3 * seed + 2), drawn(scalar, 3 * seed + 4)];
      const [condition, a, b] = [0, 1, 2].map((i) => parts[(i + turn) % 3]!) as [NdArray, NdArray, NdArray];
      const expected = build(pair.out, (index) => broadcastAt(broadcastAt(condition, index) !== 0 ? a : b, index));
      await expectTensor(elementwise.where(toTensor(condition), toTensor(a), toTensor(b)), expected);
    }),
    { numRuns: 60 },
  ));
