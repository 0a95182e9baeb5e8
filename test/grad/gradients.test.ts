/** Properties of `gradients` that do not depend on the op: graphs of any form and depth, purity, and memory. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { kernels, memory } from "../../src/backend/active.ts";
import { GradientError } from "../../src/core/errors.ts";
import { Random } from "../../src/core/random.ts";
import { gradients } from "../../src/grad/gradients.ts";
import { full, ones, tensor, zeros } from "../../src/ops/creation.ts";
import { add, equal, exp, multiply, negate, power, sin, subtract, tanh } from "../../src/ops/elementwise.ts";
import { permute } from "../../src/ops/layout.ts";
import { matmul } from "../../src/ops/matmul.ts";
import { reshape } from "../../src/ops/reshape.ts";
import { broadcastTo, sum } from "../../src/ops/sum-and-broadcast.ts";
import { detach, differentiable, noGrad } from "../../src/tape/tape.ts";
import { scope } from "../../src/tensor/scope.ts";
import { share, type Tensor } from "../../src/tensor/tensor.ts";
import { seeds } from "../arbitraries/values.ts";
import { calledKernels } from "../support/called-kernels.ts";
import { expectValues } from "../support/nd-array.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";

onReferenceBackend();

const scalar = (value: number): Tensor => full([], value, { dtype: "float64" });
const valuesOf = async (tensors: readonly Tensor[]): Promise<number[]> =>
  (await Promise.all(tensors.map((t) => t.data()))).flatMap((values) => [...values]);

describe("graphs", () => {
  test("a diamond adds up the cotangents of both paths", async () => {
    const x = scalar(3);
    const y = multiply(x, x);
    const loss = add(multiply(y, y), y);
    expectValues(await valuesOf(gradients(loss, [x, y])), [4 * 27 + 6, 2 * 9 + 1]);
  });

  test("an op whose two inputs are one tensor adds up both cotangents", async () => {
    const x = scalar(5);
    expectValues(await valuesOf(gradients(add(multiply(x, x), subtract(x, x)), [x])), [10]);
    const m = tensor(Float64Array.of(1, 2, 3, 4), { shape: [2, 2] });
    expectValues(await valuesOf(gradients(sum(matmul(m, m)), [m])), [3 + 4, 7 + 4, 3 + 6, 7 + 6]);
  });

  test("the time grows with the number of ops, even if the number of paths doubles with each op", async () => {
    const x = scalar(1);
    let y = x;
    for (let i = 0; i < 200; i++) y = multiply(add(y, y), 0.5);
    expectValues(await valuesOf(gradients(y, [x])), [1]);
  });

  test("a graph of 20,000 ops in a row, and second derivatives of 5,000", async () => {
    const x = scalar(0.5);
    let y = x;
    for (let i = 0; i < 20_000; i++) y = i % 2 === 0 ? negate(y) : reshape(y, []);
    expectValues(await valuesOf(gradients(y, [x])), [1]);
    let z = x;
    for (let i = 0; i < 5_000; i++) z = multiply(z, 1 + 1e-6 * i);
    const [first] = gradients(multiply(z, z), [x], { createGraph: true });
    const [second] = gradients(first!, [x]);
    expectValues(await valuesOf([second!]), [(await first!.item()) / 0.5], 1e-9);
  });

  test("random graphs of sums and products agree with forward differentiation", () =>
    fc.assert(
      fc.asyncProperty(seeds, fc.integer({ min: 1, max: 25 }), async (seed, count) => {
        const random = new Random(seed);
        const leaves = [0.7, -1.1, 0.4].map(scalar);
        // Each node has its derivatives by every leaf, which are carried forward by the chain rule.
        const nodes = await Promise.all(
          leaves.map(async (node, i) => ({ node, value: await node.item(), by: leaves.map((_, j) => Number(i === j)) })),
        );
        for (let i = 0; i < count; i++) {
          const [a, b] = [nodes[random.integer(nodes.length)]!, nodes[random.integer(nodes.length)]!];
          if (random.integer(2) === 0)
            nodes.push({ node: add(a.node, b.node), value: a.value + b.value, by: a.by.map((d, j) => d + b.by[j]!) });
          else {
            const value = Math.tanh(a.value * b.value);
            nodes.push({
              node: tanh(multiply(a.node, b.node)),
              value,
              by: a.by.map((d, j) => (d * b.value + b.by[j]! * a.value) * (1 - value ** 2)),
            });
          }
        }
        const last = nodes.at(-1)!;
        expectValues(await valuesOf(gradients(last.node, leaves, { unused: "zeros" })), last.by, 1e-9);
      }),
    ));
});

describe("sums of cotangents", () => {
  /** A random graph whose ops pass cotangents on as they are, share their storage, or compute new ones. */
  const randomGraph = (random: Random, count: number): Tensor[] => {
    const nodes = [1, 2].map((i) => tensor(Float64Array.of(0.5 * i, -0.7, 0.3 * i)));
    for (let i = 0; i < count; i++) {
      const pick = (): Tensor => nodes[random.integer(nodes.length)]!;
      const ops = [() => add(pick(), pick()), () => tanh(pick()), () => reshape(pick(), [3]), () => multiply(pick(), pick())];
      nodes.push(ops[random.integer(ops.length)]!());
    }
    return nodes;
  };

  test("are formed in place only where nothing else holds the numbers", () =>
    fc.assert(
      fc.asyncProperty(seeds, fc.integer({ min: 1, max: 25 }), async (seed, count) => {
        const nodes = randomGraph(new Random(seed), count);
        const start = tensor(Float64Array.of(1, -2, 3));
        const before = await valuesOf([...nodes, start]);
        const of = (createGraph: boolean): Promise<number[]> =>
          valuesOf(gradients(nodes.at(-1)!, nodes, { seed: start, createGraph, unused: "zeros" }));
        expect(await of(false)).toEqual(await of(true));
        expect(await valuesOf([...nodes, start])).toEqual(before);
      }),
    ));

  test("take no new memory where one of the two is held by nothing else", () => {
    const x = tensor(new Float64Array(1000));
    const y = sum(add(add(tanh(x), tanh(x)), tanh(x)));
    const called = calledKernels(() => gradients(y, [x]));
    expect(called.filter((name) => name === "accumulate")).toHaveLength(2);
    // add gives its own cotangent to both of its operands, and that which comes through tanh is new.
    const z = sum(add(x, tanh(x)));
    expect(calledKernels(() => gradients(z, [x])).filter((name) => name === "accumulate")).toHaveLength(1);
  });
});

describe("wrt", () => {
  test("may have intermediate tensors and the loss itself", async () => {
    const x = scalar(2);
    const y = exp(x);
    const loss = multiply(y, 3);
    expectValues(await valuesOf(gradients(loss, [loss, y, x])), [1, 3, 3 * Math.exp(2)]);
    for (const createGraph of [false, true]) expectValues(await valuesOf(gradients(x, [x], { createGraph })), [1]);
  });

  test.each([false, true])("may have a tensor twice; the two results do not share their lives (createGraph %s)", async (createGraph) => {
    const [x, seed] = [scalar(2), scalar(1)];
    const results = gradients(add(x, x), [x, x], { createGraph, seed });
    results[0]!.dispose();
    expectValues(await valuesOf([results[1]!, seed]), [2, 1]);
    const [a, b] = [scalar(1), scalar(1)];
    const [ga, gb] = gradients(add(a, b), [a, b], { createGraph, seed });
    ga!.dispose();
    expectValues(await valuesOf([gb!, seed]), [1, 1]);
    gradients(x, [x], { createGraph, seed })[0]!.dispose();
    expectValues(await valuesOf([seed]), [1]);
  });

  test("may be empty", () => expect(gradients(scalar(1), [])).toEqual([]));

  test("a tensor that the loss does not depend on gives an error that names it, or zeros", async () => {
    const [x, other] = [scalar(1), tensor([[1, 2]])];
    expect(() => gradients(multiply(x, x), [x, other])).toThrow(GradientError);
    expect(() => gradients(multiply(x, x), [x, other])).toThrow("wrt[1] [1,2]");
    const [, zero] = gradients(multiply(x, x), [x, other], { unused: "zeros" });
    expect([zero!.shape, zero!.dtype]).toEqual([[1, 2], "float32"]);
    expectValues(await valuesOf([zero!]), [0, 0]);
    expect(() => gradients(equal(x, 1), [x])).toThrow(GradientError);
  });

  test("detach and noGrad cut the path", async () => {
    const x = scalar(3);
    expectValues(await valuesOf(gradients(multiply(x, detach(x)), [x])), [3]);
    const constant = noGrad(() => multiply(x, x));
    expect(constant.origin).toBeUndefined();
    expectValues(await valuesOf(gradients(multiply(constant, x), [x])), [9]);
    expect(() => gradients(constant, [x])).toThrow(GradientError);
  });
});

describe("the seed", () => {
  test("weights the elements of a loss of several elements", async () => {
    const x = tensor(Float64Array.of(1, 2, 3));
    const y = multiply(x, x);
    expectValues(await valuesOf(gradients(y, [x], { seed: tensor(Float64Array.of(1, 10, 100)) })), [2, 40, 600]);
    expect(() => gradients(y, [x])).toThrow("the loss must have one element, got [3]");
  });

  test("is not needed for a loss of one element of any rank", async () => {
    const x = tensor(Float64Array.of(2), { shape: [1, 1] });
    expectValues(await valuesOf(gradients(multiply(x, x), [x])), [4]);
  });

  test("must have the shape and dtype of the loss", () => {
    const x = scalar(1);
    expect(() => gradients(x, [x], { seed: ones([1], { dtype: "float64" }) })).toThrow(
      "the seed must have the shape and dtype of the loss",
    );
    expect(() => gradients(x, [x], { seed: ones([]) })).toThrow(GradientError);
  });
});

test("gradients is pure: two calls give the same, and nothing is recorded without createGraph", async () => {
  const x = tensor(Float64Array.of(0.3, -0.8));
  const loss = sum(sin(multiply(x, x)));
  const before = loss.origin;
  const [once, twice] = [gradients(loss, [x]), gradients(loss, [x])];
  expectValues(await valuesOf(once), await valuesOf(twice), 0);
  expect(once[0]!.origin).toBeUndefined();
  expect([loss.origin, x.origin]).toEqual([before, undefined]);
});

test("third derivatives", async () => {
  const x = scalar(0.7);
  const derivatives: Tensor[] = [multiply(sin(x), exp(x))];
  for (let i = 0; i < 3; i++) derivatives.push(gradients(derivatives.at(-1)!, [x], { createGraph: true })[0]!);
  // (sin x·eˣ)‴ = 2eˣ(cos x − sin x).
  const [s, c, e] = [Math.sin(0.7), Math.cos(0.7), Math.exp(0.7)];
  expectValues(await valuesOf(derivatives), [s * e, e * (s + c), 2 * e * c, 2 * e * (c - s)]);
  const cube = power(x, 3);
  const [first] = gradients(cube, [x], { createGraph: true });
  const [second] = gradients(first!, [x], { createGraph: true });
  expectValues(await valuesOf([...gradients(second!, [x])]), [6]);
});

describe("a VJP that does not fit its input is an error that names the op", () => {
  const wrong = (name: string, vjp: (g: Tensor) => Tensor): ((x: Tensor) => Tensor) =>
    differentiable(name, (x: Tensor) => ({ inputs: [x], value: share(x), vjp: [vjp] }));

  test.each([false, true])("for a wrong shape or dtype (createGraph %s)", (createGraph) => {
    const x = tensor(Float64Array.of(1, 2));
    const run = (op: (x: Tensor) => Tensor) => () => gradients(sum(op(x)), [x], { createGraph });
    expect(run(wrong("halved", () => zeros([1], { dtype: "float64" })))).toThrow("halved: the VJP of input 0 must have the input's shape");
    expect(run(wrong("rounded", () => zeros([2])))).toThrow("rounded: the VJP of input 0");
  });

  test("and every tensor that was made is freed", () => {
    const x = tensor(Float64Array.of(1, 2));
    const loss = sum(tanh(wrong("halved", () => zeros([1], { dtype: "float64" }))(x)));
    const before = memory().storages;
    expect(() => gradients(loss, [x])).toThrow(GradientError);
    expect(memory().storages).toBe(before);
  });
});

describe("memory", () => {
  const network = (x: Tensor, w: Tensor): Tensor => {
    const hidden = tanh(matmul(x, w));
    return sum(multiply(add(hidden, permute(hidden, [1, 0])), hidden));
  };
  const leaves = (): [Tensor, Tensor] => [full([3, 3], 0.1, { dtype: "float64" }), full([3, 3], 0.2, { dtype: "float64" })];

  test("outside of scopes, only the results are left", () => {
    const [x, w] = leaves();
    const loss = network(x, w);
    const before = memory();
    const results = gradients(loss, [x, w]);
    expect(memory().storages).toBe(before.storages + 2);
    expect(memory().used).toBe(before.used + 2 * 9 * 8);
    for (const result of results) result.dispose();
    expect(memory().storages).toBe(before.storages);
  });

  test("a seed, unused tensors and intermediate tensors in wrt leave nothing else", () => {
    const [x, w] = leaves();
    const y = multiply(matmul(x, w), 2);
    const seed = ones([3, 3], { dtype: "float64" });
    const other = zeros([2]);
    const before = memory().storages;
    for (const result of gradients(y, [x, y, w, x, other, y], { seed, unused: "zeros" })) result.dispose();
    expect(memory().storages).toBe(before);
    expect(seed.storage.alive).toBe(true);
  });

  test("an error about an unused tensor leaves nothing", () => {
    const [x, w] = leaves();
    const loss = network(x, w);
    const before = memory().storages;
    expect(() => gradients(loss, [x, zeros([1])])).toThrow(GradientError);
    expect(memory().storages).toBe(before + 1);
  });

  test("inside a scope, everything is freed except what the scope returns", () => {
    const [x, w] = leaves();
    const before = memory().storages;
    const results = scope(() => gradients(network(x, w), [x, w]));
    expect(memory().storages).toBe(before + 2);
    const second = scope(() => gradients(sum(multiply(gradients(network(x, w), [x], { createGraph: true })[0]!, 2)), [w]));
    expect(memory().storages).toBe(before + 3);
    for (const result of [...results, ...second]) result.dispose();
    expect(memory().storages).toBe(before);
  });

  test("the walk back holds the cotangents of a few layers at a time", () => {
    const x = full([1000], 0.5, { dtype: "float64" });
    let y = x;
    for (let i = 0; i < 50; i++) y = tanh(y);
    const loss = sum(y);
    const before = memory().used;
    for (const result of gradients(loss, [x])) result.dispose();
    expect(memory().peak - before).toBeLessThan(8 * x.size * 8);
  });

  test("adding up the cotangents of many paths holds a few of them at a time", () => {
    const x = full([1000], 0.5, { dtype: "float64" });
    let y = tanh(x);
    for (let i = 0; i < 50; i++) y = add(y, tanh(x));
    const loss = sum(y);
    const before = memory().used;
    for (const result of gradients(loss, [x])) result.dispose();
    expect(memory().peak - before).toBeLessThan(8 * x.size * 8);
  });

  test("freeGraph frees each tensor behind the loss, and nothing else, and gives the same bits", () =>
    fc.assert(
      fc.asyncProperty(seeds, fc.integer({ min: 1, max: 25 }), async (seed, count) => {
        const random = new Random(seed);
        const leaves = [1, 2].map((i) => tensor(Float64Array.of(0.5 * i, -0.7, 0.3 * i)));
        const nodes: Tensor[] = [...leaves];
        for (let i = 0; i < count; i++) {
          const pick = (): Tensor => nodes[random.integer(nodes.length)]!;
          const ops = [() => add(pick(), pick()), () => tanh(pick()), () => reshape(pick(), [3]), () => multiply(pick(), pick())];
          nodes.push(ops[random.integer(ops.length)]!());
        }
        const total = nodes.reduce((sum, node) => add(sum, node));
        const [loss, wrt] = [sum(total), [...leaves, nodes.at(-1)!]];
        const expected = await valuesOf(gradients(loss, wrt));
        const before = memory().storages;
        const results = gradients(loss, wrt, { freeGraph: true });
        expect(await valuesOf(results)).toEqual(expected);
        const kept = [loss, ...wrt];
        for (const tensor of [...kept, ...results]) expect((await tensor.data()).length).toBe(tensor.size);
        expect(total.storage.alive).toBe(false);
        // Storages of nodes that share one with a kept tensor live on.
        const alive = new Set(kept.map(({ storage }) => storage));
        for (const node of nodes) expect(node.storage.alive).toBe(alive.has(node.storage));
        expect(memory().storages).toBeLessThan(before + results.length);
        for (const result of results) result.dispose();
      }),
    ));

  test("with freeGraph, the values of the last layers are gone when the walk needs memory for the first ones", () => {
    // The first layer is the widest, so the step without freeGraph holds the most there.
    const x = full([1000], 0.5, { dtype: "float64" });
    const peakOf = (freeGraph: boolean): number => {
      kernels().resetPeak();
      const before = memory().used;
      scope(() => {
        let y = tanh(broadcastTo(x, [20, 1000]));
        y = sum(y, { axes: 0 });
        for (let i = 0; i < 60; i++) y = tanh(y);
        gradients(sum(y), [x], { freeGraph });
      });
      return (memory().peak - before) / (1000 * 8);
    };
    // The last 60 layers hold 61 rows. The first one holds 40 with its input, and its gradient takes four times 20.
    expect(peakOf(false)).toBeGreaterThan(61 + 40 + 60);
    expect(peakOf(true)).toBeLessThan(40 + 4 * 20 + 2);
  });

  test("the second call with freeGraph is an error that says so", () => {
    const x = scalar(2);
    const loss = multiply(exp(x), 3);
    gradients(loss, [x], { freeGraph: true });
    expect(() => gradients(loss, [x])).toThrow(/used after it was freed/);
  });

  test("freeGraph with createGraph is an error", () => {
    const x = scalar(2);
    expect(() => gradients(exp(x), [x], { createGraph: true, freeGraph: true })).toThrow(GradientError);
  });

  test("gradients of a freed graph are an error that says so", () => {
    const x = scalar(2);
    const loss = scope(() => multiply(exp(x), exp(x)));
    expect(() => gradients(loss, [x])).toThrow(/used after it was freed/);
  });
});
