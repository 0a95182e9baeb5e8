/** Combinators against the sums and compositions that they stand for, and the state of blocks. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Context } from "../../src/core/context.ts";
import { Random } from "../../src/core/random.ts";
import { gradients } from "../../src/grad/gradients.ts";
import { BatchNorm2d } from "../../src/nn/batch-norm2d.ts";
import { Block } from "../../src/nn/block.ts";
import { Concat, Residual, Sequential } from "../../src/nn/combinators.ts";
import { Conv2d } from "../../src/nn/conv2d.ts";
import { Lambda, ReLU, ReLU6, Tanh } from "../../src/nn/layers.ts";
import type { Layer } from "../../src/nn/module.ts";
import { add, multiply, relu, relu6, tanh } from "../../src/ops/elementwise.ts";
import { concat } from "../../src/ops/layout.ts";
import { sum } from "../../src/ops/sum-and-broadcast.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { calledKernels } from "../support/called-kernels.ts";
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

describe("a norm with the ReLU and the shortcut after it", () => {
  const channels = 2;
  const norm = (): BatchNorm2d => new BatchNorm2d(channels, { random: new Random(0), dtype: "float64" });
  /** A random composition of norms, activations and shortcuts, twice: as layers, and as the ops that they stand for. */
  interface Both {
    readonly layer: Layer;
    readonly formula: (x: Tensor, context: Context) => Tensor;
  }
  const leaves = fc.constantFrom<(() => Both)[]>(
    () => {
      const [layer, twin] = [norm(), norm()];
      return { layer, formula: (x, context) => twin.forward(x, context) };
    },
    () => ({ layer: ReLU(), formula: relu }),
    () => ({ layer: ReLU6(), formula: relu6 }),
    () => ({ layer: double(), formula: (x) => multiply(x, 2) }),
  );
  const { tree } = fc.letrec<{ tree: () => Both }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 3, withCrossShrink: true },
      leaves,
      fc.array(tie("tree"), { minLength: 1, maxLength: 4 }).map((makers) => (): Both => {
        const parts = makers.map((make) => make());
        return {
          layer: new Sequential(...parts.map(({ layer }) => layer)),
          formula: (x, context) => parts.reduce((y, { formula }) => formula(y, context), x),
        };
      }),
      fc.tuple(tie("tree"), fc.option(tie("tree"), { nil: undefined })).map(([makeF, makeShortcut]) => (): Both => {
        const [f, shortcut] = [makeF(), makeShortcut?.()];
        return {
          layer: new Residual(f.layer, shortcut?.layer),
          formula: (x, context) => add(f.formula(x, context), shortcut === undefined ? x : shortcut.formula(x, context)),
        };
      }),
    ),
  }));

  test("computes what the layers compute one after the other, in training and in evaluation", () =>
    fc.assert(
      fc.asyncProperty(tree, fc.boolean(), async (make, training) => {
        const { layer, formula } = make();
        const [x, context] = [sampleTensor([2, channels, 2, 3], 1), { training, random: new Random(0) }];
        const [y, expected] = [layer.forward(x, context), formula(x, context)];
        await expectTensor(y, await toArray(expected), 1e-9);
        const of = (z: Tensor): Tensor => gradients(sum(multiply(z, sampleTensor(z.shape, 2))), [x])[0]!;
        if (y !== x) await expectTensor(of(y), await toArray(of(expected)), 1e-7);
      }),
      { numRuns: 150 },
    ));

  test("is one kernel forward and one backward", () => {
    const layer = new Sequential(new Residual(new Sequential(norm(), ReLU(), norm())), ReLU6());
    const x = sampleTensor([2, channels, 2, 3], 1);
    const context = { training: true, random: new Random(0) };
    let y = x;
    const forward = calledKernels(() => {
      y = layer.forward(x, context);
    });
    // The running statistics are updated by a few more kernels, on vectors.
    expect(forward.filter((name) => ["batchNorm", "unary", "clamp"].includes(name))).toEqual(["batchNorm", "batchNorm"]);
    const backward = calledKernels(() => gradients(y, [x], { seed: y }));
    expect(backward).toEqual(["batchNormGradient", "batchNormGradient", "accumulate"]);
    expect(calledKernels(() => layer.forward(x, evaluation)).filter((name) => ["channelAffine", "unary", "clamp"].includes(name))).toEqual([
      ...["unary", "channelAffine"],
      ...["unary", "channelAffine"],
    ]);
  });

  test("calls the forward pass of a subclass, and of a layer whose forward pass was replaced", async () => {
    class Negated extends BatchNorm2d {
      override forward(x: Tensor, context: Context): Tensor {
        return multiply(super.forward(x, context), -1);
      }
    }
    const x = sampleTensor([2, channels, 2, 3], 1);
    const negated = new Negated(channels, { random: new Random(0), dtype: "float64" });
    const expected = relu(multiply(norm().forward(x, evaluation), -1));
    await expectTensor(new Sequential(negated, ReLU()).forward(x, evaluation), await toArray(expected), 1e-12);
    const activation = ReLU();
    const seen: Tensor[] = [];
    activation.forward = (z) => {
      seen.push(z);
      return z;
    };
    await expectTensor(new Sequential(norm(), activation).forward(x, evaluation), await toArray(seen[0]!), 0);
    await expectTensor(seen[0]!, await toArray(norm().forward(x, evaluation)), 0);
  });
});
