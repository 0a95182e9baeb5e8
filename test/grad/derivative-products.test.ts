/** `vjp` and `jvp` against central differences, against each other, and against the rules of calculus. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { memory } from "../../src/backend/active.ts";
import { jvp } from "../../src/grad/jvp.ts";
import { vjp } from "../../src/grad/vjp.ts";
import { tensor, zeros } from "../../src/ops/creation.ts";
import { add, cast, equal, exp, log, multiply, sin, sqrt, tanh } from "../../src/ops/elementwise.ts";
import { matmul } from "../../src/ops/matmul.ts";
import { sum } from "../../src/ops/sum-and-broadcast.ts";
import { noGrad } from "../../src/tape/tape.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { calledKernels } from "../support/called-kernels.ts";
import { expectTensor, expectValues, toArray } from "../support/nd-array.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";
import { sampleTensor } from "../support/sample.ts";
import { alongLine, dot } from "./central-differences.ts";
import { generatedFunctions } from "./generated-function.ts";

onReferenceBackend();

const scalar = (value: number): Tensor => tensor(Float64Array.of(value), { shape: [] });

describe("jvp", () => {
  test("is the derivative along v, by central differences", () =>
    fc.assert(
      fc.asyncProperty(generatedFunctions(), async ({ f, inputs }) => {
        const v = inputs.map((x, i) => sampleTensor(x.shape, i + 3, -1, 1)) as [Tensor, Tensor];
        const [output, product] = jvp(f, inputs, v);
        await expectTensor(output, await toArray(f(...inputs)), 0);
        await expectTensor(product, await alongLine(f, inputs, v), 1e-7);
      }),
      { numRuns: 200 },
    ));

  test("is exact: the derivative of a product of exponentials", async () => {
    const [, product] = jvp((x, y) => multiply(exp(x), y), [scalar(0.5), scalar(3)], [scalar(2), scalar(7)]);
    expectValues(await product.data(), [Math.exp(0.5) * 3 * 2 + Math.exp(0.5) * 7], 1e-15);
  });

  test("chains: the product of g∘f is that of g along that of f", () =>
    fc.assert(
      fc.asyncProperty(generatedFunctions(), async ({ f, inputs }) => {
        const v = inputs.map((x, i) => sampleTensor(x.shape, i + 3)) as [Tensor, Tensor];
        const g = (y: Tensor): Tensor => sin(multiply(y, y));
        const [y, tangent] = jvp(f, inputs, v);
        const [, inTwoSteps] = jvp(g, y, tangent);
        const [, whole] = jvp((a, b) => g(f(a, b)), inputs, v);
        await expectTensor(whole, await toArray(inTwoSteps), 1e-12);
      }),
      { numRuns: 50 },
    ));

  test("of a linear map is the map, wherever the point is", async () => {
    const [w, x, v] = [sampleTensor([3, 4], 1), sampleTensor([4, 2], 2), sampleTensor([4, 2], 3)];
    await expectTensor(jvp((at) => matmul(w, at), x, v)[1], await toArray(matmul(w, v)));
  });

  test("with the graph is differentiable by the point and by v: second derivatives along two directions", async () => {
    const [x, v, w] = [sampleTensor([3], 1), sampleTensor([3], 2), sampleTensor([3], 3)];
    const along = (at: Tensor, direction: Tensor): Tensor => jvp(sin, at, direction, { createGraph: true })[1];
    const [, second] = jvp((at) => along(at, v), x, w);
    const [xs, vs, ws] = await Promise.all([x, v, w].map((t) => t.data()));
    expectValues(
      await second.data(),
      [0, 1, 2].map((i) => -Math.sin(xs![i]!) * vs![i]! * ws![i]!),
    );
    await expectTensor(jvp((direction) => along(x, direction), v, w)[1], await toArray(along(x, w)));
  });

  test("takes the work of f and two walks backwards: 5 products for one product of two matrices", () => {
    const [a, b] = [sampleTensor([2, 3], 1), sampleTensor([3, 4], 2)];
    const products = (body: () => unknown): number => calledKernels(() => void body()).filter((name) => name === "matmul").length;
    expect(products(() => vjp((x, y) => matmul(x, y), [a, b], zeros([2, 4], { dtype: "float64" })))).toBe(3);
    expect(products(() => jvp((x, y) => matmul(x, y), [a, b], [a, b]))).toBe(5);
  });

  test("does not depend on u where slopes are infinite: the tangent of √x at 0 is ∞·v", async () =>
    expectValues(await jvp(sqrt, tensor(Float64Array.of(0, 4)), tensor(Float64Array.of(1, 1)))[1].data(), [Infinity, 0.25]));
});

describe("vjp", () => {
  test("is the transpose of jvp: ⟨u, Jv⟩ = ⟨Jᵀu, v⟩", () =>
    fc.assert(
      fc.asyncProperty(generatedFunctions(), async ({ f, inputs }) => {
        const v = inputs.map((x, i) => sampleTensor(x.shape, i + 3)) as [Tensor, Tensor];
        const [y, product] = jvp(f, inputs, v);
        const u = sampleTensor(y.shape, 9);
        const [, transposed] = vjp(f, inputs, u);
        const [left, right] = [await dot([u], [product]), await dot(transposed, v)];
        expect(Math.abs(left.value - right.value)).toBeLessThanOrEqual(1e-13 * (1 + left.size + right.size));
      }),
      { numRuns: 200 },
    ));

  test("of a matrix product is Wᵀv", async () => {
    const [w, x, v] = [sampleTensor([3, 4], 1), sampleTensor([4, 2], 2), sampleTensor([3, 2], 3)];
    const [y, product] = vjp((at) => matmul(w, at), x, v);
    await expectTensor(y, await toArray(matmul(w, x)));
    await expectTensor(product, await toArray(matmul(w, v, { transposeA: true })));
  });
});

describe("the function", () => {
  test("has one variable for each argument, even if both are the same tensor", async () => {
    const x = scalar(3);
    const [, [a, b]] = vjp((p, q) => multiply(multiply(p, p), q), [x, x], scalar(1));
    expectValues([await a.item(), await b.item()], [18, 9]);
  });

  test("sees a tensor that it refers to by itself as a constant, even at that point", async () => {
    const x = scalar(3);
    expectValues(await vjp((y) => multiply(x, y), x, scalar(1))[1].data(), [3]);
    const recorded = (at: Tensor): Tensor => vjp((y) => multiply(at, y), at, scalar(1), { createGraph: true })[1];
    expectValues(await recorded(x).data(), [3]);
    expectValues(await jvp(recorded, x, scalar(1))[1].data(), [1]);
    // ∂/∂x of x·∂(x + y)/∂y is 1, because ∂(x + y)/∂y is 1. A derivative that confuses the two variables gives 2 (Siskind & Pearlmutter
    // 2005).
    const inner = (at: Tensor): Tensor => jvp((y) => add(at, y), scalar(1), scalar(1), { createGraph: true })[1];
    expectValues(await jvp((at) => multiply(at, inner(at)), scalar(1), scalar(1))[1].data(), [1]);
  });

  test("may depend on inputs that depend on each other", async () => {
    const a = scalar(2);
    const b = multiply(a, a);
    expectValues(await vjp((p, q) => multiply(p, q), [a, b], scalar(1))[1][0].data(), [4]);
  });

  test("is recorded inside noGrad, and the results have no origins", () => {
    const [output, product] = noGrad(() => jvp(tanh, scalar(0.5), scalar(1), { createGraph: true }));
    expect([output.origin, product.origin]).toEqual([undefined, undefined]);
    const [y, g] = vjp(tanh, scalar(0.5), scalar(1));
    expect([y.origin, g.origin]).toEqual([undefined, undefined]);
  });

  test("may change the dtype", async () => {
    const f = (x: Tensor, y: Tensor): Tensor => multiply(cast(x, "float64"), y);
    const [x, y] = [tensor([2]), tensor(Float64Array.of(3))];
    const [output, product] = jvp(f, [x, y], [tensor([1]), tensor(Float64Array.of(10))]);
    expect([output.dtype, product.dtype]).toEqual(["float64", "float64"]);
    expectValues(await product.data(), [23]);
    expect(vjp(f, [x, y], tensor(Float64Array.of(1)))[1].map(({ dtype }) => dtype)).toEqual(["float32", "float64"]);
  });

  test("may give one of its inputs, and the results live on their own", async () => {
    const x = scalar(3);
    const [output, product] = vjp((y) => y, x, scalar(5));
    for (const result of [output, product]) result.dispose();
    expectValues(await x.data(), [3]);
  });
});

test("everything but the results is freed, also when f fails", async () => {
  const [x, v] = [sampleTensor([3], 1), sampleTensor([3], 2)];
  const before = memory().storages;
  const results = [...vjp(sin, x, v), ...jvp(sin, x, v)];
  expect(memory().storages).toBe(before + 4);
  for (const result of results) result.dispose();
  const failing = (y: Tensor): Tensor => matmul(sin(y), y);
  expect(() => jvp(failing, x, v)).toThrow("matmul");
  expect(memory().storages).toBe(before);
});

describe("errors", () => {
  const [x, wide] = [(): Tensor => sampleTensor([2], 1), (): Tensor => sampleTensor([3], 2)];

  test("name an input that the result does not depend on; zeros are a choice", async () => {
    const first = (a: Tensor, _b: Tensor): Tensor => sin(a);
    expect(() => vjp(first, [x(), wide()], x())).toThrow(/^vjp: the result of f must depend on every input, and does not on input 1 \[3\]/);
    expect(() => jvp(first, [x(), wide()], [x(), wide()])).toThrow(/^jvp: .* input 1 \[3\].*functionalCall.*unused: "zeros"/);
    expect(() => jvp((a) => equal(a, 1), x(), x())).toThrow("does not on input 0 [2]");
    const options = { unused: "zeros" } as const;
    await expectTensor(vjp(first, [x(), wide()], x(), options)[1][1], { shape: [3], values: [0, 0, 0] });
    await expectTensor(jvp((a) => equal(a, 1), x(), x(), options)[1], { shape: [2], values: [0, 0] });
  });

  test("name vectors that do not fit", () => {
    expect(() => vjp(sum, x(), x())).toThrow("vjp: v must have the shape and dtype of the result of f, got float64 [2] for float64 []");
    expect(() => jvp(sin, x(), wide())).toThrow("jvp: v must have the shape and dtype of input 0, got float64 [3] for float64 [2]");
    expect(() => jvp(sin, x(), tensor([1, 2]))).toThrow("got float32 [2] for float64 [2]");
    expect(() => jvp((a, b) => multiply(a, b), [x(), x()], [x()] as never)).toThrow(
      "jvp: v must have one tensor for each input, got 1 for 2",
    );
    expect(() => jvp(sin, x(), [1, 2] as never)).toThrow("jvp: v must have one tensor for each input, got 2 for 1");
    expect(() => vjp(sin, x(), 1 as never)).toThrow("vjp: v must be a tensor like the result of f, got 1");
  });

  test("name functions and inputs that have no derivative", () => {
    expect(() => vjp(() => sum(x()), [], scalar(1))).toThrow("vjp: needs a tensor or a list of tensors, got an empty list");
    expect(() => vjp(sin, 3 as never, scalar(1))).toThrow("vjp: needs a tensor or a list of tensors, got 3");
    expect(() => vjp((a) => a, tensor(Int32Array.of(1)), scalar(1))).toThrow("vjp: operands must share one floating dtype, got int32");
    expect(() => vjp((a) => cast(a, "int32"), x(), x())).toThrow("vjp: f must return a floating tensor, got int32");
    expect(() => jvp((() => 3) as never, x(), x())).toThrow("jvp: f must return a floating tensor, got 3");
    expect(() => jvp((async () => log(x())) as never, x(), x())).toThrow(/^jvp: the body must be synchronous, got a Promise/);
  });
});
