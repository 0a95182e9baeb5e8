/** Freezing, gradient clipping, loading with a report, and the memory of optimisers. */

import { describe, expect, test } from "vitest";
import { memory } from "../../src/backend/active.ts";
import { ConfigError, GradientError, ShapeError } from "../../src/core/errors.ts";
import { Random } from "../../src/core/random.ts";
import { gradients } from "../../src/grad/gradients.ts";
import { Sequential } from "../../src/nn/combinators.ts";
import { freeze, unfreeze } from "../../src/nn/freeze.ts";
import { Linear } from "../../src/nn/linear.ts";
import { StateError } from "../../src/nn/load-state.ts";
import { meanSquaredError } from "../../src/nn/losses.ts";
import { Parameter } from "../../src/nn/state.ts";
import { ones, tensor, zeros } from "../../src/ops/creation.ts";
import { sum } from "../../src/ops/sum-and-broadcast.ts";
import { Adam } from "../../src/train/adam.ts";
import { clipGradients, clipGradientValues, gradientNorm } from "../../src/train/clip-gradients.ts";
import type { Optimizer, ParameterGroup } from "../../src/train/optimizer.ts";
import { Sgd } from "../../src/train/sgd.ts";
import { expectValues } from "../support/nd-array.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";

onReferenceBackend();

const linear = () => new Linear(2, 2, { random: new Random(1), dtype: "float64" }, { bias: false });

describe.each<[string, (groups: ParameterGroup[]) => Optimizer]>([
  ["Sgd", (groups) => new Sgd(groups, { momentum: 0.9 })],
  ["Adam", (groups) => new Adam(groups)],
])("%s", (_, create) => {
  test("leaves a frozen parameter as it is, weight decay included, and keeps the names of the state", async () => {
    const network = new Sequential(linear(), linear());
    const optimizer = create([{ parameters: network.parameters(), weightDecay: 0.1 }]);
    const names = [...optimizer.state().keys()];
    freeze(network.layers[0]!);
    const before = await network.state().get("0.weight")!.read();
    const loss = sum(network.forward(ones([1, 2], { dtype: "float64" }), { training: true }));
    expect(optimizer.values).toEqual([network.parameters().get("1.weight")!.value]);
    optimizer.step(gradients(loss, optimizer.values), 0.1);
    expect(await network.state().get("0.weight")!.read()).toEqual(before);
    expect([...optimizer.state().keys()]).toEqual(names);
    unfreeze(network);
    expect(optimizer.values.length).toBe(2);
    expect(() => optimizer.step([], 0.1)).toThrow(GradientError);
    expect(() => optimizer.step([], 0.1)).toThrow(/2 trainable parameters, got 0; pass gradients\(loss, optimizer.values\)/);
  });

  test("treats a parameter that was frozen at first as a new optimiser does", async () => {
    const [late, fresh] = [0, 1].map(() => new Parameter(tensor([1, 2], { dtype: "float64" })));
    const other = new Parameter(zeros([1], { dtype: "float64" }));
    const optimizer = create([
      {
        parameters: new Map([
          ["other", other],
          ["late", late!],
        ]),
      },
    ]);
    const reference = create([{ parameters: new Map([["fresh", fresh!]]) }]);
    late!.trainable = false;
    for (let step = 0; step < 3; step++) optimizer.step([ones([1], { dtype: "float64" })], 0.1);
    late!.trainable = true;
    for (let step = 0; step < 2; step++) {
      const g = tensor([0.5, -1], { dtype: "float64" });
      optimizer.step([ones([1], { dtype: "float64" }), g], 0.1);
      reference.step([g], 0.1);
    }
    expectValues(await late!.read(), await fresh!.read(), 0);
  });

  test("100 optimisers that are made and disposed leave no memory behind", () => {
    const network = linear();
    const before = memory().used;
    for (let i = 0; i < 100; i++) create([{ parameters: network.parameters() }]).dispose();
    expect(memory().used).toBe(before);
  });
});

describe("clipping", () => {
  const grads = () => [tensor([3, 0], { dtype: "float64" }), tensor([[0], [-4]], { dtype: "float64" })];

  test("by the norm of all gradients, as PyTorch's clip_grad_norm_", async () => {
    expect(await gradientNorm(grads()).item()).toBe(5);
    const [a, b] = clipGradients(grads(), 1);
    expectValues(await a!.data(), [3 / (5 + 1e-6), 0]);
    expectValues(await b!.data(), [0, -4 / (5 + 1e-6)]);
    const kept = clipGradients(grads(), 100);
    expect(Array.from(await kept[0]!.data())).toEqual([3, 0]);
    expect(clipGradients([], 1)).toEqual([]);
  });

  test("by value, as PyTorch's clip_grad_value_", async () => {
    const [a, b] = clipGradientValues(grads(), 2.5);
    expect(Array.from(await a!.data())).toEqual([2.5, 0]);
    expect(Array.from(await b!.data())).toEqual([0, -2.5]);
  });

  test.each([0, -1, Number.NaN])("refuses the limit %f", (limit) => {
    expect(() => clipGradients(grads(), limit)).toThrow(ConfigError);
    expect(() => clipGradientValues(grads(), limit)).toThrow(ConfigError);
  });
});

test("the mean squared error is the mean over all elements, and refuses two shapes", async () => {
  expect(await meanSquaredError(tensor([1, 2, 3]), tensor([1, 4, 0])).item()).toBeCloseTo(13 / 3, 6);
  expect(() => meanSquaredError(zeros([3, 1]), zeros([3]))).toThrow(ShapeError);
});

describe("loadState with strict: false", () => {
  test("writes what fits and reports the rest; without it, the error has the report", async () => {
    const network = new Sequential(linear(), linear(), linear());
    const values = new Map([
      ["0.weight", { shape: [2, 2], data: [1, 2, 3, 4] }],
      ["1.weight", { shape: [4], data: [1, 2, 3, 4] }],
      ["head.bias", { shape: [1], data: [1] }],
    ]);
    const report = { missing: ["2.weight"], unexpected: ["head.bias"], mismatched: ["1.weight is [4] instead of [2,2]"] };
    let error: unknown;
    try {
      network.loadState(values);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(StateError);
    expect((error as StateError).report).toEqual(report);
    expect(network.loadState(values, { strict: false })).toEqual(report);
    expect(Array.from(await network.state().get("0.weight")!.read())).toEqual([1, 2, 3, 4]);
  });
});
