/** Layers compute what their docstrings say: Linear against loops, the other layers against their ops. */

import { expect, test } from "vitest";
import { ShapeError } from "../../src/core/errors.ts";
import { Random } from "../../src/core/random.ts";
import * as ops from "../../src/index.ts";
import { Sequential } from "../../src/nn/combinators.ts";
import { ConvTranspose2d } from "../../src/nn/conv-transpose2d.ts";
import { Conv2d } from "../../src/nn/conv2d.ts";
import * as layers from "../../src/nn/layers.ts";
import { Linear } from "../../src/nn/linear.ts";
import type { Layer } from "../../src/nn/module.ts";
import { at, build, expectTensor, toArray, toTensor } from "../support/nd-array.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";
import { sample, sampleTensor } from "../support/sample.ts";

onReferenceBackend();

const seeded = () => ({ random: new Random(1), dtype: "float64" as const });
const evaluation = { training: false };

test.each([true, false])("Linear is x·Wᵀ + b (bias %s)", async (bias) => {
  const linear = new Linear(3, 2, seeded(), { bias });
  const [x, w] = [sample([4, 3], 1), await toArray(linear.weight.value)];
  const b = linear.bias === undefined ? { shape: [2], values: [0, 0] } : await toArray(linear.bias.value);
  const expected = build([4, 2], ([n, o]) => [0, 1, 2].reduce((sum, i) => sum + at(x, [n!, i]) * at(w, [o!, i]), at(b, [o!])));
  await expectTensor(linear.forward(toTensor(x)), expected);
  expect([...linear.parameters().keys()]).toEqual(bias ? ["weight", "bias"] : ["weight"]);
  expect(() => linear.forward(sampleTensor([4, 4], 1))).toThrow(ShapeError);
});

test("Conv2d is conv2d with its weight, plus one bias per channel", async () => {
  const options = { stride: 2, padding: 1, groups: 2 };
  const conv = new Conv2d(4, 6, 3, seeded(), { ...options, bias: true });
  const x = sampleTensor([2, 4, 5, 5], 2);
  const y = await toArray(ops.conv2d(x, conv.weight.value, options));
  const b = await toArray(conv.bias!.value);
  await expectTensor(
    conv.forward(x),
    build(y.shape, (index) => at(y, index) + at(b, [index[1]!])),
  );
  expect(conv.weight.shape).toEqual([6, 2, 3, 3]);
});

test("ConvTranspose2d is convTranspose2d with its weight, plus one bias per channel", async () => {
  const options = { stride: 2, padding: 1, outputPadding: 1, groups: 2 };
  const layer = new ConvTranspose2d(4, 6, 3, seeded(), { ...options, bias: true });
  const x = sampleTensor([2, 4, 5, 5], 2);
  const y = await toArray(ops.convTranspose2d(x, layer.weight.value, options));
  const b = await toArray(layer.bias!.value);
  await expectTensor(
    layer.forward(x),
    build(y.shape, (index) => at(y, index) + at(b, [index[1]!])),
  );
  expect(layer.weight.shape).toEqual([4, 3, 3, 3]);
  expect(y.shape).toEqual([2, 6, 10, 10]);
  // PyTorch draws from U(−1/√f, 1/√f) with f the product of all sizes of the weight but the first.
  expect(Math.max(...(await toArray(layer.weight.value)).values.map(Math.abs))).toBeLessThanOrEqual(1 / Math.sqrt(27));
  expect([...layer.parameters().keys()]).toEqual(["weight", "bias"]);
});

test.each([1, 2])("ConvTranspose2d with %i groups takes in the norm that follows it", async (groups) => {
  const layer = new ConvTranspose2d(4, 6, 2, seeded(), { groups, stride: 2, bias: true });
  const [x, scale, shift] = [sampleTensor([2, 4, 3, 3], 2), sampleTensor([6], 3), sampleTensor([6], 4)];
  const y = await toArray(layer.forward(x));
  const [s, t] = [await toArray(scale), await toArray(shift)];
  await expectTensor(
    layer.fold({ scale, shift }).forward(x),
    build(y.shape, (index) => at(s, [index[1]!]) * at(y, index) + at(t, [index[1]!])),
  );
});

test("layers without parameters are their ops", async () => {
  const x = sampleTensor([2, 2, 4, 4], 3, -7, 7);
  const pairs: [Layer, (t: ops.Tensor) => ops.Tensor][] = [
    [layers.ReLU(), ops.relu],
    [layers.ReLU6(), ops.relu6],
    [layers.GELU(), ops.gelu],
    [layers.Sigmoid(), ops.sigmoid],
    [layers.Tanh(), ops.tanh],
    [layers.MaxPool2d({ kernel: 2 }), (t) => ops.maxPool2d(t, { kernel: 2 })],
    [layers.AvgPool2d({ kernel: 2, stride: 1 }), (t) => ops.avgPool2d(t, { kernel: 2, stride: 1 })],
    [
      layers.AvgPool2d({ kernel: 3, padding: 1, countIncludePad: false, ceilMode: true }),
      (t) => ops.avgPool2d(t, { kernel: 3, padding: 1, countIncludePad: false, ceilMode: true }),
    ],
    [layers.GlobalAvgPool2d(), ops.globalAvgPool2d],
    [layers.Flatten(), (t) => ops.reshape(t, [2, 32])],
    [layers.Dropout(0.5), (t) => t],
    [new Sequential(layers.Tanh(), layers.ReLU()), (t) => ops.relu(ops.tanh(t))],
    [new Sequential(), (t) => t],
  ];
  for (const [layer, op] of pairs) await expectTensor(layer.forward(x, evaluation), await toArray(op(x)), 0);
});

test("in training, Dropout draws from the random stream that it is given", async () => {
  const x = sampleTensor([50], 4, 1, 2);
  const run = async (seed: number): Promise<number[]> =>
    (await toArray(layers.Dropout(0.5).forward(x, { training: true, random: new Random(seed) }))).values.slice();
  expect(await run(1)).toEqual(await run(1));
  expect(await run(1)).not.toEqual(await run(2));
  expect((await run(1)).some((v) => v === 0)).toBe(true);
});

test("Flatten takes an empty batch", () => expect(layers.Flatten().forward(ops.zeros([0, 2, 3]), evaluation).shape).toEqual([0, 6]));
