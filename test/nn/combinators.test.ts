/** Combinators against the sums and compositions that they stand for, and the state of blocks. */

import { describe, expect, test } from "vitest";
import { Random } from "../../src/core/random.ts";
import { gradients } from "../../src/grad/gradients.ts";
import { Block } from "../../src/nn/block.ts";
import { Concat, Residual, Sequential } from "../../src/nn/combinators.ts";
import { Conv2d } from "../../src/nn/conv2d.ts";
import { Lambda, ReLU, Tanh } from "../../src/nn/layers.ts";
import type { Layer } from "../../src/nn/module.ts";
import { add, multiply, relu, tanh } from "../../src/ops/elementwise.ts";
import { concat } from "../../src/ops/layout.ts";
import { sum } from "../../src/ops/sum-and-broadcast.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { expectTensor, toArray } from "../support/nd-array.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";
import { sampleTensor } from "../support/sample.ts";

onReferenceBackend();

const evaluation = { training: false };
const double = (): Layer => new Lambda((x) => multiply(x, 2));
const conv = (outChannels: number): Conv2d => new Conv2d(2, outChannels, 1, { random: new Random(1), dtype: "float64" });

interface Example {
  readonly name: string;
  readonly layer: () => Sequential | Residual | Concat;
  readonly formula: (x: Tensor) => Tensor;
}

const examples: readonly Example[] = [
  { name: "Sequential", layer: () => new Sequential(Tanh(), double(), ReLU()), formula: (x) => relu(multiply(tanh(x), 2)) },
  { name: "Residual", layer: () => new Residual(Tanh()), formula: (x) => add(tanh(x), x) },
  { name: "Residual with a shortcut", layer: () => new Residual(Tanh(), double()), formula: (x) => add(tanh(x), multiply(x, 2)) },
  {
    name: "Concat",
    layer: () => new Concat({ layer: Tanh(), channels: 2 }, { layer: double(), channels: 2 }),
    formula: (x) => concat([tanh(x), multiply(x, 2)], 1),
  },
];

describe.each(examples)("$name", ({ layer, formula }) => {
  const x = (): Tensor => sampleTensor([2, 2, 3, 3], 1);

  test("computes its formula, with the formula's gradient", async () => {
    const [input, y] = [x(), (z: Tensor) => sum(multiply(formula(z), formula(z)))];
    await expectTensor(layer().forward(input, evaluation), await toArray(formula(input)), 0);
    const [expected] = gradients(y(input), [input]);
    const output = layer().forward(input, evaluation);
    const [got] = gradients(sum(multiply(output, output)), [input]);
    await expectTensor(got!, await toArray(expected!), 1e-12);
  });

  test("map keeps the combination and replaces every layer", async () => {
    const zero = layer().map(() => new Lambda((z) => multiply(z, 0)));
    const same = layer().map((part) => part);
    await expectTensor(same.forward(x(), evaluation), await toArray(formula(x())), 0);
    const values = (await toArray(zero.forward(x(), evaluation))).values;
    // Only a residual without a shortcut lets x itself through.
    const input = (await toArray(x())).values;
    const keepsX = zero instanceof Residual && zero.shortcut === undefined;
    expect(values.map(Math.abs)).toEqual(keepsX ? input.map(Math.abs) : values.map(() => 0));
  });
});

test("the outputs of a Sequential are those of its layers, and an empty Sequential is the identity", async () => {
  const x = sampleTensor([2, 3], 1);
  const [first, second] = new Sequential(Tanh(), double()).outputs(x, evaluation);
  await expectTensor(first!, await toArray(tanh(x)), 0);
  await expectTensor(second!, await toArray(multiply(tanh(x), 2)), 0);
  expect(new Sequential().forward(x, evaluation)).toBe(x);
});

test("a block computes its body, and each layer is in its state once, under the name of its field", async () => {
  class TwoConvolutions extends Block {
    readonly conv1 = conv(2);
    readonly conv2 = conv(2);

    body(): Layer {
      return new Residual(new Sequential(this.conv2, ReLU(), this.conv1));
    }
  }
  const block = new TwoConvolutions();
  expect([...block.state().keys()]).toEqual(["conv1.weight", "conv2.weight"]);
  expect(block.modules()).toEqual([block, block.conv1, block.conv2]);
  const x = sampleTensor([1, 2, 3, 3], 1);
  const expected = add(block.conv1.forward(relu(block.conv2.forward(x))), x);
  await expectTensor(block.forward(x, evaluation), await toArray(expected), 0);
});
