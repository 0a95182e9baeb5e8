/** `jacobian` against central differences, its two strategies against each other, and its counts of walks. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { memory } from "../../src/backend/active.ts";
import { ConfigError } from "../../src/core/errors.ts";
import { jacobian } from "../../src/grad/jacobian.ts";
import { vjp } from "../../src/grad/vjp.ts";
import { tensor, zeros } from "../../src/ops/creation.ts";
import { cast, multiply, sin } from "../../src/ops/elementwise.ts";
import { concat, slice } from "../../src/ops/layout.ts";
import { matmul } from "../../src/ops/matmul.ts";
import { sum } from "../../src/ops/sum-and-broadcast.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { calledKernels } from "../support/called-kernels.ts";
import { build, expectTensor, type NdArray, toArray } from "../support/nd-array.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";
import { sampleTensor } from "../support/sample.ts";
import { jacobiansByDifferences } from "./central-differences.ts";
import { generatedFunctions } from "./generated-function.ts";

onReferenceBackend();

const strategies = ["auto", "reverse-mode", "forward-mode"] as const;

test.each(strategies)("is the matrix of central differences, column by column (%s)", (strategy) =>
  fc.assert(
    fc.asyncProperty(generatedFunctions(), async ({ f, inputs }) => {
      const found = jacobian(f, inputs, { strategy });
      const expected = await jacobiansByDifferences(f, inputs);
      for (const [i, matrix] of found.entries()) await expectTensor(matrix, expected[i]!, 1e-7);
    }),
    { numRuns: 60 },
  ),
);

test("of one tensor is one tensor, with the axes of the result before those of the input", async () => {
  const [w, x] = [sampleTensor([3, 4], 1), sampleTensor([4, 2], 2)];
  const weights = await toArray(w);
  const expected: NdArray = build([3, 2, 4, 2], ([i, k, j, l]) => (k === l ? weights.values[i! * 4 + j!]! : 0));
  for (const strategy of strategies)
    await expectTensor(
      jacobian((at) => matmul(w, at), x, { strategy }),
      expected,
    );
});

test("of a composition is the product of the Jacobians", () =>
  fc.assert(
    fc.asyncProperty(generatedFunctions({ empty: false }), async ({ f, inputs }) => {
      const g = (y: Tensor): Tensor => sin(multiply(y, sum(y)));
      const [ofF] = jacobian(f, inputs);
      const y = f(...inputs);
      const [rows, columns] = [y.size, inputs[0].size];
      const [outer, inner] = [await jacobian(g, y).data(), await ofF.data()];
      const product = build([...y.shape, ...inputs[0].shape], () => 0).values.map((_, at) => {
        const [i, j] = [Math.floor(at / columns), at % columns];
        return Array.from({ length: rows }, (_, k) => outer[i * rows + k]! * inner[k * columns + j]!).reduce((a, b) => a + b, 0);
      });
      await expectTensor(jacobian((a, b) => g(f(a, b)), inputs)[0], { shape: [...y.shape, ...inputs[0].shape], values: product }, 1e-12);
    }),
    { numRuns: 50 },
  ));

test("takes one walk for each row or column, whichever are fewer", () => {
  /** The products of two matrices that the Jacobian of W·x takes, for W:[m,n]. f takes one, and so does each walk. */
  const products = (m: number, n: number): number[] =>
    strategies.map((strategy) => {
      const [w, x] = [sampleTensor([m, n], 1), sampleTensor([n, 1], 2)];
      return calledKernels(() => void jacobian((at) => matmul(w, at), x, { strategy })).filter((name) => name === "matmul").length;
    });
  const [rows, columns] = [(m: number): number => 1 + m, (n: number): number => 1 + 1 + n];
  expect(products(2, 5)).toEqual([rows(2), rows(2), columns(5)]);
  expect(products(5, 2)).toEqual([columns(2), rows(5), columns(2)]);
  expect(products(3, 3)).toEqual([rows(3), rows(3), columns(3)]);
});

describe("cases at the edge", () => {
  test.each(strategies)("scalars give a scalar (%s)", async (strategy) => {
    const x = tensor(Float64Array.of(0.7), { shape: [] });
    await expectTensor(jacobian(sin, x, { strategy }), { shape: [], values: [Math.cos(0.7)] });
  });

  test.each(strategies)("empty inputs and empty results give Jacobians without elements (%s)", async (strategy) => {
    const [x, empty] = [sampleTensor([3], 1), zeros([0, 2], { dtype: "float64" })];
    await expectTensor(
      jacobian((at) => slice(at, [[0, 0]]), x, { strategy }),
      { shape: [0, 3], values: [] },
    );
    await expectTensor(
      jacobian((at) => concat([at, sampleTensor([1, 2], 2)], 0), empty, { strategy }),
      { shape: [1, 2, 0, 2], values: [] },
    );
  });

  test.each(strategies)("an input that the result does not depend on is an error, or zeros (%s)", async (strategy) => {
    const [x, y] = [sampleTensor([2], 1), sampleTensor([3], 2)];
    const f = (a: Tensor, _b: Tensor): Tensor => sin(a);
    expect(() => jacobian(f, [x, y], { strategy })).toThrow(/^jacobian: the result of f must depend on every input.*input 1 \[3\]/);
    const [, none] = jacobian(f, [x, y], { strategy, unused: "zeros" });
    await expectTensor(
      none,
      build([2, 3], () => 0),
    );
  });

  test.each(strategies)("the Jacobian has the dtype of the input (%s)", (strategy) =>
    expect(jacobian((x) => cast(x, "float64"), tensor([1, 2]), { strategy }).dtype).toBe("float32"),
  );
});

test.each(strategies)("with the graph is differentiable: the Jacobian of the Jacobian of sin (%s)", async (strategy) => {
  const x = sampleTensor([2], 1);
  const values = await x.data();
  const second = jacobian((at) => jacobian(sin, at, { strategy, createGraph: true }), x);
  await expectTensor(
    second,
    build([2, 2, 2], ([i, j, k]) => (i === j && j === k ? -Math.sin(values[i!]!) : 0)),
  );
  const weights = sampleTensor([2, 2], 2);
  const diagonal = (await weights.data()).filter((_, at) => at % 3 === 0);
  const [, product] = vjp((at) => jacobian(sin, at, { strategy, createGraph: true }), x, weights);
  await expectTensor(
    product,
    build([2], ([i]) => -Math.sin(values[i!]!) * diagonal[i!]!),
  );
});

test.each(strategies)("everything but the result is freed, and the result has no origin (%s)", (strategy) => {
  const x = sampleTensor([3], 1);
  const before = memory().storages;
  const matrix = jacobian(sin, x, { strategy });
  expect([memory().storages, matrix.origin]).toEqual([before + 1, undefined]);
});

test("a strategy that does not exist is an error", () => {
  expect(() => jacobian(sin, sampleTensor([2], 1), { strategy: "reverse" as never })).toThrow(ConfigError);
  expect(() => jacobian(sin, sampleTensor([2], 1), { strategy: "reverse" as never })).toThrow(
    'jacobian: strategy must be auto, reverse-mode or forward-mode, got "reverse"',
  );
});
