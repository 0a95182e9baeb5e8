/** All networks: their logits, attention maps, gradients and state names; and what DARTS does in training only. */

import { describe, expect, test } from "vitest";
import { Random } from "../../src/core/random.ts";
import { gradients } from "../../src/grad/gradients.ts";
import { Darts } from "../../src/models/darts.ts";
import { FastNet } from "../../src/models/fast-net.ts";
import { MobileNetV2 } from "../../src/models/mobile-net-v2.ts";
import { ResNet } from "../../src/models/res-net.ts";
import { WideResNet } from "../../src/models/wide-resnet.ts";
import type { Build } from "../../src/nn/init.ts";
import { normal } from "../../src/ops/creation.ts";
import { relu } from "../../src/ops/elementwise.ts";
import { Sep } from "../../src/structured/create-convolution.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import type { AttentiveClassifier } from "../../src/train/evaluate.ts";
import { createObjective } from "../../src/train/objective.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";

onReferenceBackend();

const build = (): Build => ({ random: new Random(1) });
const images = (size: number, count = 2): Tensor => normal([count, 3, size, size], new Random(2));
const tinyDarts = (auxiliary = false): Darts => new Darts({ channels: 2, layers: 3, classes: 4, auxiliary }, build());

/** The tests call `create`, because no backend is active before them. */
const networks: readonly (readonly [string, create: () => AttentiveClassifier, size: number, maps: readonly number[]])[] = [
  [
    "WideResNet with AT_split 2",
    () => new WideResNet({ depth: 16, width: 1, classes: 4, attentionSplit: 2 }, build()),
    8,
    [8, 8, 4, 4, 2, 2],
  ],
  ["ResNet", () => new ResNet({ blocks: [1, 1, 1, 1], width: 1, classes: 4, convolution: Sep }, build()), 32, [8, 4, 2, 1]],
  ["Darts", () => tinyDarts(), 8, [8, 4]],
  ["MobileNetV2", () => new MobileNetV2({ classes: 4, dropout: 0 }, build()), 32, [8, 4, 2, 1]],
  ["FastNet", () => new FastNet({ widths: [4, 6, 6], classes: 4 }, build()), 32, [15, 7, 3]],
];

describe.each(networks)("%s", (_, create, size, maps) => {
  test("gives one logit per class, the same logits with attention maps, and an attention map of unit norm at each size", async () => {
    const [network, x] = [create(), images(size)];
    const { logits, attention } = network.forwardWithAttention(x, { training: false });
    expect(logits.shape).toEqual([2, 4]);
    expect(await logits.data()).toEqual(await network.forward(x, { training: false }).data());
    expect(attention.map(({ shape }) => shape)).toEqual(maps.map((side) => [2, side * side]));
    // In training, the norms use the statistics of the batch, so the feature maps of an untrained network do not shrink to zeros.
    for (const map of network.forwardWithAttention(x, { training: true }).attention) {
      const values = await map.data();
      const squared = Array.from(values.slice(0, values.length / 2), (v) => v * v).reduce((a, b) => a + b);
      expect(squared).toBeCloseTo(1, 5);
    }
  });

  test("every parameter has a gradient in training", async () => {
    const network = create();
    const objective = createObjective(network, {})(images(size), [0, 3], { training: true, random: new Random(3) }).objective;
    const values = [...network.parameters().values()].map(({ value }) => value);
    const grads = await Promise.all(gradients(objective, values).map((g) => g.data()));
    for (const g of grads) expect(g.every(Number.isFinite)).toBe(true);
    expect(grads.filter((g) => g.some((v) => v !== 0)).length).toBeGreaterThan(grads.length / 2);
  });
});

describe("the state names are those of the published PyTorch code", () => {
  test.each<[string, () => AttentiveClassifier, readonly string[]]>([
    ["WideResNet", networks[0]![1], ["block1.1.layer.0.conv2.conv.weight", "block2.0.layer.0.convShortcut.weight"]],
    ["ResNet", networks[1]![1], ["layer1.0.downsample.bn.running_mean", "layer4.0.bn3.weight", "fc.bias"]],
    ["Darts", () => tinyDarts(true), ["cells.1.preprocess0.op.1.conv.weight", "auxiliary_head.features.5.weight", "classifier.weight"]],
    ["MobileNetV2", networks[3]![1], ["features.0.0.weight", "features.1.conv.0.0.weight", "classifier.1.weight"]],
  ])("%s", (_, create, expected) => {
    const network = create();
    const names = [...network.state().keys()].map((name) => name.replace(/\.(conv|pointwise|grouped)\.weight$/, ".conv.weight"));
    expect(expected.filter((name) => !names.includes(name))).toEqual([]);
  });
});

describe("Darts in training", () => {
  const context = { training: true, random: new Random(5) };

  test("only training has auxiliary logits, and their loss is multiplied by the auxiliary weight", async () => {
    // The two reductions leave 8×8 of the 32×32 pixels, which is the size that the auxiliary head needs.
    const [network, x] = [tinyDarts(true), images(32)];
    expect(network.forwardWithAttention(x, { training: false }).auxiliary).toBeUndefined();
    expect(network.forwardWithAttention(x, context).auxiliary?.shape).toEqual([2, 4]);
    const at = async (auxiliaryWeight: number): Promise<number> =>
      createObjective(network, { auxiliaryWeight })(x, [0, 3], { training: true }).objective.item();
    const [none, half, whole] = [await at(0), await at(0.5), await at(1)];
    expect(half - none).toBeGreaterThan(0.1);
    expect(whole - none).toBeCloseTo(2 * (half - none), 4);
  });

  test("paths are dropped at the given rate in training, and never in evaluation", async () => {
    const [network, x] = [tinyDarts(), images(8, 1)];
    const logits = async (dropPath: number, training: boolean): Promise<Float32Array> =>
      (await network.forward(x, { training, random: new Random(6), dropPath }).data()) as Float32Array;
    expect(await logits(0.9, true)).not.toEqual(await logits(0, true));
    expect(await logits(0.9, false)).toEqual(await logits(0, false));
  });
});

test("impossible sizes are refused", () => {
  expect(() => new Darts({ layers: 2 }, build())).toThrow(/layers must be an integer from 3 to 200, got 2/);
  expect(() => new Darts({ channels: 0 }, build())).toThrow(/channels/);
  expect(() => new WideResNet({ depth: 16, width: 1, attentionSplit: 3 }, build())).toThrow(/must divide the 2 blocks of a group, got 3/);
});

test("a ResNet whose last scales are 0 begins as its shortcuts", async () => {
  const make = (zeroScale: boolean): ResNet => new ResNet({ blocks: [1, 2, 1, 1], width: 1, classes: 4, zeroScale }, build());
  const scales = async (network: ResNet): Promise<number[][]> =>
    Promise.all([...network.state()].filter(([name]) => name.endsWith("bn3.weight")).map(async ([, entry]) => [...(await entry.read())]));
  expect((await scales(make(true))).every((scale) => scale.every((value) => value === 0))).toBe(true);
  expect((await scales(make(false))).every((scale) => scale.every((value) => value === 1))).toBe(true);
  // The second bottleneck of the second group has an identity shortcut and ends with a ReLU, so it returns its input, which is ≥ 0.
  const second = make(true).layer2.layers[1]!;
  const x = relu(normal([2, 512, 4, 4], new Random(4)));
  expect(await second.forward(x, { training: true }).data()).toEqual(await x.data());
});
