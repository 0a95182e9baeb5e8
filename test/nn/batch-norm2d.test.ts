/** The running statistics of the layer against PyTorch's rule, which the test computes number by number. */

import { expect, test } from "vitest";
import { memory } from "../../src/backend/active.ts";
import { ConfigError, ShapeError } from "../../src/core/errors.ts";
import { Random } from "../../src/core/random.ts";
import { gradients } from "../../src/grad/gradients.ts";
import { BatchNorm2d } from "../../src/nn/batch-norm2d.ts";
import { freeze, unfreeze } from "../../src/nn/freeze.ts";
import { zeros } from "../../src/ops/creation.ts";
import { sum } from "../../src/ops/sum-and-broadcast.ts";
import { scope } from "../../src/tensor/scope.ts";
import { expectValues, toTensor } from "../support/nd-array.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";
import { sample } from "../support/sample.ts";

onReferenceBackend();

const layer = (options = {}): BatchNorm2d => new BatchNorm2d(2, { random: new Random(0), dtype: "float64" }, options);

/** The mean and the unbiased variance of channel c of values:[N,2,H,W] with inner = H·W. */
function channel(values: readonly number[], c: number, inner: number): { mean: number; unbiased: number } {
  const own = values.filter((_, i) => Math.floor(i / inner) % 2 === c);
  const mean = own.reduce((total, v) => total + v, 0) / own.length;
  return { mean, unbiased: own.reduce((total, v) => total + (v - mean) ** 2, 0) / (own.length - 1) };
}

test("training moves the running statistics towards the mean and the unbiased variance, and counts batches", async () => {
  const norm = layer({ momentum: 0.3 });
  const expected = { mean: [0, 0], variance: [1, 1] };
  for (const seed of [1, 2, 3]) {
    const x = sample([3, 2, 2, 3], seed, -1, 4);
    norm.forward(toTensor(x), { training: true });
    for (const c of [0, 1]) {
      const { mean, unbiased } = channel(x.values, c, 6);
      expected.mean[c] = 0.7 * expected.mean[c]! + 0.3 * mean;
      expected.variance[c] = 0.7 * expected.variance[c]! + 0.3 * unbiased;
    }
    expectValues(await norm.running_mean.read(), expected.mean);
    expectValues(await norm.running_var.read(), expected.variance);
    expect(norm.num_batches_tracked.count).toBe(seed);
  }
});

test("evaluation normalises by the running statistics and changes nothing", async () => {
  const norm = layer();
  norm.running_mean.write([1, -2]);
  norm.running_var.write([4, 0.25]);
  norm.weight.write([3, 0.5]);
  norm.bias.write([0.1, 0.2]);
  const x = sample([2, 2, 1, 2], 4);
  const y = norm.forward(toTensor(x), { training: false });
  const formula = x.values.map((v, i) =>
    Math.floor(i / 2) % 2 === 0 ? (3 * (v - 1)) / Math.sqrt(4 + 1e-5) + 0.1 : (0.5 * (v + 2)) / Math.sqrt(0.25 + 1e-5) + 0.2,
  );
  expectValues(await y.data(), formula);
  expectValues(await norm.running_mean.read(), [1, -2]);
  expect(norm.num_batches_tracked.count).toBe(0);
});

test.each([
  ["one value in each channel", [1, 2, 1, 1]],
  ["an empty batch", [0, 2, 3, 3]],
])("training refuses %s and changes nothing; evaluation takes it", async (_, shape) => {
  const norm = layer();
  const x = zeros(shape, { dtype: "float64" });
  expect(() => norm.forward(x, { training: true })).toThrow(ShapeError);
  expect(() => norm.forward(x, { training: true })).toThrow(/at least 2 values in each channel, got x:\[\d,2,/);
  expectValues(await norm.running_mean.read(), [0, 0]);
  expectValues(await norm.running_var.read(), [1, 1]);
  expect(norm.num_batches_tracked.count).toBe(0);
  expect(norm.forward(x, { training: false }).shape).toEqual(shape);
});

test("a frozen norm computes with its running statistics in training, and they stand still", async () => {
  const norm = layer();
  norm.running_mean.write([1, -2]);
  const x = toTensor(sample([3, 2, 2, 2], 4));
  const evaluated = await norm.forward(x, { training: false }).data();
  freeze(norm);
  expect(await norm.forward(x, { training: true }).data()).toEqual(evaluated);
  expectValues(await norm.running_mean.read(), [1, -2]);
  expect(norm.num_batches_tracked.count).toBe(0);
  unfreeze(norm);
  expect(await norm.forward(x, { training: true }).data()).not.toEqual(evaluated);
  expect(norm.num_batches_tracked.count).toBe(1);
});

test("the running statistics outlive scopes, and training frees the ones that it replaces", async () => {
  const norm = layer();
  const x = toTensor(sample([2, 2, 2, 2], 6));
  const step = (): void => {
    for (const g of scope(() => gradients(sum(norm.forward(x, { training: true })), [norm.weight.value, norm.bias.value]))) g.dispose();
  };
  step();
  const before = memory();
  for (let i = 0; i < 5; i++) step();
  expect([memory().storages, memory().used]).toEqual([before.storages, before.used]);
  expectValues(await norm.running_mean.read(), await norm.running_mean.read());
});

test("without a trained scale, γ is a buffer: it has no gradient, freezing the shift freezes the norm, and unfreezing leaves γ alone", async () => {
  const norm = layer({ trainScale: false });
  expect([...norm.parameters().keys()]).toEqual(["bias"]);
  expect([...norm.state().keys()]).toEqual([...layer().state().keys()]);
  const x = toTensor(sample([3, 2, 2, 2], 4, -1, 1));
  const plain = layer();
  expectValues(await norm.forward(x, { training: true }).data(), await plain.forward(x, { training: true }).data(), 0);
  expect(norm.frozen).toBe(false);
  freeze(norm);
  expect(norm.frozen).toBe(true);
  unfreeze(norm);
  expect([...norm.parameters().keys()]).toEqual(["bias"]);
  expect([norm.bias.role, norm.frozen]).toEqual(["norm", false]);
});

test("an initial scale multiplies the output before training", async () => {
  const x = toTensor(sample([3, 2, 2, 2], 4, -1, 1));
  const [one, half] = [layer(), layer({ initialScale: 0.5 })];
  const whole = await one.forward(x, { training: true }).data();
  expectValues(
    await half.forward(x, { training: true }).data(),
    [...whole].map((value) => value / 2),
    0,
  );
  expect(() => layer({ initialScale: Number.NaN })).toThrow(ConfigError);
});
