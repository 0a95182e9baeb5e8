/** `hessian` and `hvp` against closed forms, central differences of the gradient, and each other. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { memory } from "../../src/backend/active.ts";
import { gradients } from "../../src/grad/gradients.ts";
import { hessian, hvp } from "../../src/grad/hessian.ts";
import { jacobian } from "../../src/grad/jacobian.ts";
import { jvp } from "../../src/grad/jvp.ts";
import { tensor, zeros } from "../../src/ops/creation.ts";
import { add, exp, multiply, sin } from "../../src/ops/elementwise.ts";
import { matmul } from "../../src/ops/matmul.ts";
import { reshape } from "../../src/ops/reshape.ts";
import { sum } from "../../src/ops/sum-and-broadcast.ts";
import { enableGrad } from "../../src/tape/tape.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { calledKernels } from "../support/called-kernels.ts";
import { at, build, expectTensor, expectValues, type NdArray, toArray } from "../support/nd-array.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";
import { sampleTensor } from "../support/sample.ts";
import { jacobiansByDifferences } from "./central-differences.ts";
import { generatedFunctions } from "./generated-function.ts";

onReferenceBackend();

/** A function of one number from one of any shape. It is not linear in the elements of f. */
const scalarOf = (f: (a: Tensor, b: Tensor) => Tensor) => (a: Tensor, b: Tensor) => {
  const y = f(a, b);
  return sum(add(multiply(y, 0.5), sin(y)));
};

describe("hessian", () => {
  test("of the quadratic form xᵀAx is A + Aᵀ, and of the linear form is 0", () =>
    fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 5 }), fc.nat(), async (n, seed) => {
        const [a, x] = [sampleTensor([n, n], seed), sampleTensor([n], seed + 1)];
        const matrix = await toArray(a);
        const form = (v: Tensor): Tensor => sum(multiply(reshape(v, [n, 1]), matmul(a, reshape(v, [n, 1]))));
        await expectTensor(
          hessian(form, x),
          build([n, n], ([i, j]) => at(matrix, [i!, j!]) + at(matrix, [j!, i!])),
        );
        await expectTensor(
          hessian((v) => sum(multiply(v, 3)), x),
          build([n, n], () => 0),
        );
      }),
      { numRuns: 50 },
    ));

  test("is the matrix of central differences of the gradient, in blocks, and is symmetric", () =>
    fc.assert(
      fc.asyncProperty(generatedFunctions(), async ({ f, inputs }) => {
        const objective = scalarOf(f);
        const blocks = hessian(objective, inputs);
        for (const a of [0, 1] as const) {
          // The differences do not record, but a gradient needs a graph.
          const gradient = (...xs: [Tensor, Tensor]): Tensor => enableGrad(() => gradients(objective(...xs), [xs[a]])[0]!);
          const expected = await jacobiansByDifferences(gradient, inputs);
          for (const b of [0, 1] as const) await expectTensor(blocks[a][b], expected[b]!, 1e-7);
        }
        const [upper, lower] = [await toArray(blocks[0][1]), await toArray(blocks[1][0])];
        const [n, m] = [inputs[0].size, inputs[1].size];
        const transposed = build([n, m], ([i, j]) => at({ shape: [m, n], values: lower.values }, [j!, i!]));
        expectValues(upper.values, transposed.values, 1e-12);
      }),
      { numRuns: 60 },
    ));

  test("of a scalar is a scalar, and of one element of any rank has the axes of the inputs twice", async () => {
    const x = tensor(Float64Array.of(0.3), { shape: [] });
    await expectTensor(hessian(exp, x), { shape: [], values: [Math.exp(0.3)] });
    const y = tensor(Float64Array.of(0.3), { shape: [1, 1] });
    await expectTensor(hessian(exp, y), { shape: [1, 1, 1, 1], values: [Math.exp(0.3)] });
  });

  test("of no elements has none", async () =>
    expectTensor(
      hessian((x) => sum(exp(x)), zeros([0, 2], { dtype: "float64" })),
      { shape: [0, 2, 0, 2], values: [] },
    ));

  test("with the graph gives third derivatives", async () => {
    const x = sampleTensor([2], 1);
    const values = await x.data();
    const third = jacobian((p) => hessian((q) => sum(sin(q)), p, { createGraph: true }), x);
    await expectTensor(
      third,
      build([2, 2, 2], ([i, j, k]) => (i === j && j === k ? -Math.cos(values[i!]!) : 0)),
    );
  });
});

describe("hvp", () => {
  test("is the Hessian times the vector", () =>
    fc.assert(
      fc.asyncProperty(generatedFunctions(), async ({ f, inputs }) => {
        const objective = scalarOf(f);
        const v = inputs.map((x, i) => sampleTensor(x.shape, i + 3)) as [Tensor, Tensor];
        const [output, products] = hvp(objective, inputs, v);
        await expectTensor(output, await toArray(objective(...inputs)), 0);
        const blocks = hessian(objective, inputs);
        const [vectors, matrices] = [
          await Promise.all(v.map(toArray)),
          await Promise.all(blocks.map((row) => Promise.all(row.map(toArray)))),
        ];
        for (const [a, product] of products.entries()) {
          const values = Array.from({ length: product.size }, (_, i) =>
            matrices[a]!.reduce((total, { values: block }, b) => {
              const vector = vectors[b]!.values;
              return total + vector.reduce((part, value, j) => part + block[i * vector.length + j]! * value, 0);
            }, 0),
          );
          await expectTensor(product, { shape: inputs[a]!.shape, values } satisfies NdArray, 1e-11);
        }
      }),
      { numRuns: 100 },
    ));

  test("is the tangent of the gradient: forward over reverse", async () => {
    const [x, v] = [sampleTensor([4], 1), sampleTensor([4], 2)];
    const f = (at: Tensor): Tensor => sum(multiply(exp(at), sin(at)));
    const gradient = (p: Tensor): Tensor => gradients(f(p), [p], { createGraph: true })[0]!;
    await expectTensor(hvp(f, x, v)[1], await toArray(jvp(gradient, x, v)[1]));
  });

  test("takes as many kernels for many elements as for few", () => {
    const calls = (n: number): number => {
      const x = sampleTensor([n], 1);
      return calledKernels(() => void hvp((at) => sum(exp(sin(at))), x, x)).length;
    };
    expect(calls(50)).toBe(calls(2));
  });

  test("of a linear function is 0", async () => {
    const x = sampleTensor([2], 1);
    expectValues(await hvp((at) => sum(multiply(at, 3)), x, x)[1].data(), [0, 0]);
  });
});

test("everything but the results is freed, and the results have no origins", () => {
  const x = sampleTensor([3], 1);
  const before = memory().storages;
  const f = (at: Tensor): Tensor => sum(sin(at));
  const results = [hessian(f, x), ...hvp(f, x, x)];
  expect(memory().storages).toBe(before + 3);
  expect(results.map(({ origin }) => origin)).toEqual([undefined, undefined, undefined]);
});

describe("errors", () => {
  const x = (): Tensor => sampleTensor([2], 1);

  test("say that f must return one element", () => {
    expect(() => hessian(sin, x())).toThrow("hessian: f must return one element, got [2]; sum it");
    expect(() => hvp(sin, x(), x())).toThrow("hvp: f must return one element, got [2]; sum it");
  });

  test("name an input that f does not depend on, and a vector that does not fit", async () => {
    const first = (a: Tensor, _b: Tensor): Tensor => sum(sin(a));
    expect(() => hessian(first, [x(), x()])).toThrow(/^hessian: the result of f must depend on every input.*input 1 \[2\]/);
    expect(() => hvp(first, [x(), x()], [x(), x()])).toThrow(/^hvp: .*input 1 \[2\]/);
    expect(() => hvp((a) => sum(sin(a)), x(), sampleTensor([3], 1))).toThrow("hvp: v must have the shape and dtype of input 0");
    const blocks = hessian(first, [x(), x()], { unused: "zeros" });
    expectValues(await blocks[1][0].data(), [0, 0, 0, 0]);
  });
});
