/** Folded networks against their originals, which compute every norm by its formula: all networks, all families, statistics of any kind. */

import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { kernels, memory, useBackend } from "../../src/backend/active.ts";
import { createReferenceBackend } from "../../src/backend/reference/reference-kernels.ts";
import { createWasmBackend, type WasmBackend } from "../../src/backend/wasm/wasm-backend.ts";
import { Random } from "../../src/core/random.ts";
import { type ConvolutionFactory, convolutionFactory } from "../../src/index.ts";
import { Darts } from "../../src/models/darts.ts";
import type { ImageClassifier } from "../../src/models/image-classifier.ts";
import { MobileNetV2 } from "../../src/models/mobile-net-v2.ts";
import { ResNet } from "../../src/models/res-net.ts";
import { WideResNet } from "../../src/models/wide-resnet.ts";
import { BatchNorm2d } from "../../src/nn/batch-norm2d.ts";
import { Block } from "../../src/nn/block.ts";
import { Concat, Residual, Sequential } from "../../src/nn/combinators.ts";
import { Conv2d } from "../../src/nn/conv2d.ts";
import { foldBatchNorm } from "../../src/nn/fold-batch-norm.ts";
import { ReLU } from "../../src/nn/layers.ts";
import type { Layer, Module } from "../../src/nn/module.ts";
import { normal } from "../../src/ops/creation.ts";
import type { ConvolutionKind, ConvolutionSpec } from "../../src/structured/spec.ts";
import type { Mode } from "../../src/structured/structured-linear.ts";
import { noGrad } from "../../src/tape/tape.ts";
import { scope } from "../../src/tensor/scope.ts";
import type { Classifier } from "../../src/train/evaluate.ts";
import { structuredConfigurations, structuredKinds } from "../arbitraries/structured.ts";

type FloatType = "float32" | "float64";

/** One spec of each kind, which fits the channels of the small networks below. The compiler reports a missing kind. */
const specs: { readonly [K in ConvolutionKind]: ConvolutionSpec & { readonly kind: K } } = {
  Conv: { kind: "Conv" },
  Sep: { kind: "Sep" },
  ACDC: { kind: "ACDC", factors: 2 },
  OriginalACDC: { kind: "OriginalACDC", factors: 2 },
  PlainACDC: { kind: "PlainACDC", factors: 2 },
  Hashed: { kind: "Hashed", fraction: 0.2 },
  HashedDecimate: { kind: "HashedDecimate" },
  SepHashed: { kind: "SepHashed", fraction: 0.3 },
  SepHashedDecimate: { kind: "SepHashedDecimate" },
  HashedSeparable: { kind: "HashedSeparable", fraction: 0.5 },
  Generic: { kind: "Generic", scale: 0.25 },
  LR: { kind: "LR", scale: 0.5 },
  TensorTrain: { kind: "TensorTrain", scale: 0.5 },
  Tucker: { kind: "Tucker", scale: 0.5 },
  CP: { kind: "CP", scale: 0.5 },
  Shuffle: { kind: "Shuffle", groups: 4 },
  Monarch: { kind: "Monarch", blocks: 4 },
  BlockTensorTrain: { kind: "BlockTensorTrain", rank: 2 },
  NormedBlockTensorTrain: { kind: "NormedBlockTensorTrain", rank: 2 },
  MatrixTensorTrain: { kind: "MatrixTensorTrain", rank: 2, cores: 2 },
  Kronecker: { kind: "Kronecker", terms: 2 },
  BLAST: { kind: "BLAST", scale: 0.25, blocks: 4 },
  Butterfly: { kind: "Butterfly" },
};

const build = (seed: number, dtype: FloatType): { random: Random; dtype: FloatType } => ({ random: new Random(seed), dtype });

interface SmallNetwork {
  readonly size: number;
  create(convolution: ConvolutionFactory, seed: number, dtype: FloatType): ImageClassifier;
}

const networks: Readonly<Record<string, SmallNetwork>> = {
  wrn: {
    size: 8,
    create: (convolution, seed, dtype) => new WideResNet({ depth: 10, width: 1, dropout: 0.3, convolution }, build(seed, dtype)),
  },
  "wrn-50-2": {
    size: 16,
    create: (convolution, seed, dtype) => new ResNet({ blocks: [1, 1, 1, 1], width: 0.25, classes: 10, convolution }, build(seed, dtype)),
  },
  darts: {
    size: 8,
    create: (convolution, seed, dtype) => new Darts({ channels: 8, layers: 3, auxiliary: true, convolution }, build(seed, dtype)),
  },
  "mobilenet-v2": {
    size: 16,
    create: (convolution, seed, dtype) => new MobileNetV2({ classes: 16, convolution }, build(seed, dtype)),
  },
};
const networkNames = Object.keys(networks);

const acdcKinds: readonly ConvolutionKind[] = ["ACDC", "OriginalACDC", "PlainACDC"];
/**
 * The families that refuse a convolution of a small network: its channels shrink by no whole factor, or the budget is less than one weight.
 */
const misfits: Readonly<Record<string, readonly ConvolutionKind[]>> = {
  "wrn-50-2": ["LR"],
  darts: [...acdcKinds, "SepHashedDecimate", "LR"],
  "mobilenet-v2": [...acdcKinds, "LR"],
};
const specsOf = (name: string): ConvolutionSpec[] => Object.values(specs).filter(({ kind }) => !misfits[name]?.includes(kind));

const norms = (network: Module): BatchNorm2d[] => network.modules().filter((part): part is BatchNorm2d => part instanceof BatchNorm2d);

/**
 * Gives every norm random parameters, and running statistics near those of random images. γ has both signs and is sometimes 0. μ is off by
 * a share of σ, and σ² by a factor; some σ² are so small that only ε counts. Statistics far from those of the feature maps would make the
 * maps grow from norm to norm, and the comparison would measure the rounding of float32 only.
 */
async function disturb(network: Layer, size: number, dtype: FloatType, seed: number, channels = 3, tiny = 0.05): Promise<void> {
  const random = new Random(seed);
  const all = norms(network);
  for (const { weight, bias, running_mean, running_var } of all) {
    const draw = (value: () => number): Float64Array => Float64Array.from({ length: weight.value.size }, value);
    weight.write(draw(() => (random.uniform() < 0.1 ? 0 : random.normal())));
    bias.write(draw(() => random.normal()));
    for (const buffer of [running_mean, running_var]) buffer.write(draw(() => 0));
  }
  scope(() => {
    noGrad(() => network.forward(normal([4, channels, size, size], random, { dtype }), { training: true, random }));
  });
  for (const { running_mean, running_var } of all) {
    // The running statistics began at 0 and took a tenth of the batch's statistics.
    const [mean, variance] = [await running_mean.read(), await running_var.read()].map((values) => Array.from(values, (v) => v / 0.1));
    running_mean.write(mean!.map((mu, c) => mu + 0.3 * Math.sqrt(variance![c]!) * random.normal()));
    running_var.write(variance!.map((sigma2) => (random.uniform() < tiny ? 1e-9 * sigma2 : sigma2 * 10 ** (random.uniform() - 0.5))));
  }
}

async function logits(network: Classifier, size: number, dtype: FloatType, channels = 3): Promise<number[]> {
  const y = scope(() => noGrad(() => network.forward(normal([2, channels, size, size], new Random(3), { dtype }), { training: false })));
  const values = Array.from(await y.data());
  y.dispose();
  return values;
}

/** The largest difference, divided by the largest magnitude of a logit. */
function distance(got: readonly number[], expected: readonly number[]): number {
  expect(got).toHaveLength(expected.length);
  const scale = Math.max(...expected.map(Math.abs));
  return Math.max(...expected.map((value, i) => Math.abs(value - got[i]!))) / scale;
}

const cases = (...names: readonly string[]): fc.Arbitrary<readonly [string, ConvolutionSpec]> =>
  fc.constantFrom(...names.flatMap((name) => specsOf(name).map((spec) => [name, spec] as const)));

async function expectFolded(
  name: string,
  spec: ConvolutionSpec,
  mode: Mode,
  seed: number,
  dtype: FloatType,
  tolerance: number,
): Promise<void> {
  const { size, create } = networks[name]!;
  const before = memory().storages;
  // This initialisation needs no matrix decomposition, so it is the fastest.
  const network = create(convolutionFactory(spec, { mode, init: "variance-preserving" }), seed, dtype);
  // MobileNetV2 has 52 norms in a row. Channels without variance would leave only noise.
  await disturb(network, size, dtype, seed + 1, 3, name === "mobilenet-v2" ? 0 : 0.05);
  const expected = await logits(network, size, dtype);
  // The logits must depend on the images. Otherwise the comparison below would prove nothing.
  expect(distance(expected.slice(expected.length / 2), expected.slice(0, expected.length / 2))).toBeGreaterThan(1e-3);
  const held = memory().storages;
  const folded = foldBatchNorm(network);
  expect(norms(folded)).toEqual([]);
  expect(distance(await logits(folded, size, dtype), expected), spec.kind).toBeLessThan(tolerance);
  folded.dispose();
  // Folding changed no number of the original, and disposing of the folded network freed no tensor of the original.
  expect(memory().storages).toBe(held);
  expect(await logits(network, size, dtype)).toEqual(expected);
  network.dispose();
  expect(memory().storages).toBe(before);
}

describe("in float32, on the WebAssembly backend", () => {
  let wasm: WasmBackend;
  beforeAll(async () => {
    wasm = await createWasmBackend({ threads: 1 });
    useBackend(wasm);
  });
  afterAll(() => {
    wasm.dispose();
    useBackend(undefined);
  });

  test.each(["wrn", "darts"])("%s with every family: the logits agree to 1e-5 of their scale", async (name) => {
    for (const spec of specsOf(name)) await expectFolded(name, spec, "auto", 7, "float32", 1e-5);
  });

  test("the logits agree for any network, family, mode and statistics", () =>
    fc.assert(
      fc.asyncProperty(
        cases("wrn", "darts"),
        fc.constantFrom<Mode>("auto", "factorized", "dense"),
        fc.nat(2 ** 20),
        ([name, spec], mode, seed) => expectFolded(name, spec, mode, seed, "float32", 1e-5),
      ),
      { numRuns: 20 },
    ));
});

describe("in float64", () => {
  beforeAll(() => useBackend(createReferenceBackend()));
  afterAll(() => useBackend(undefined));

  // These networks have so many norms in a row that float32 loses three digits before they are trained, folded or not. Each family stands
  // for one way of folding: into the weight, after a hashed window, as an affine after the factors, and into the last factor.
  test.each([
    ["wrn-50-2", ["Conv", "HashedSeparable", "CP", "Shuffle"]],
    ["mobilenet-v2", ["Sep", "CP", "Shuffle"]],
  ] as const)("%s: the logits agree to rounding", async (name, kinds) => {
    for (const kind of kinds) await expectFolded(name, specs[kind], "auto", 7, "float64", 1e-9);
  });

  test.each(structuredKinds)("a %s convolution with any stride, padding and dilation, and the norm after it: the outputs agree", (kind) =>
    fc.assert(
      fc.asyncProperty(
        structuredConfigurations(kind),
        fc.record({
          kernel: fc.constantFrom(1, 2, 3),
          stride: fc.integer({ min: 1, max: 3 }),
          padding: fc.integer({ min: 0, max: 2 }),
          dilation: fc.integer({ min: 1, max: 2 }),
          // ACDC and LR have no bias.
          bias: [...acdcKinds, "LR"].includes(kind) ? fc.constant(false) : fc.boolean(),
        }),
        fc.constantFrom<Mode>("auto", "factorized", "dense"),
        async ({ spec, inFeatures, outFeatures, seed }, window, mode) => {
          const b = build(seed, "float64");
          const factory = convolutionFactory(spec, { mode, init: "variance-preserving" });
          const convolution = factory({ inChannels: inFeatures, outChannels: outFeatures, ...window }, b);
          const network = new Sequential(convolution, new BatchNorm2d(outFeatures, b));
          await disturb(network, 6, "float64", seed, inFeatures);
          const folded = foldBatchNorm(network);
          const [got, expected] = [await logits(folded, 6, "float64", inFeatures), await logits(network, 6, "float64", inFeatures)];
          // Sums of terms of size 1 are rounded relative to 1, so the scale is at least 1.
          const scale = Math.max(1, ...expected.map(Math.abs));
          expect(Math.max(...expected.map((value, i) => Math.abs(value - got[i]!))) / scale).toBeLessThan(1e-10);
          expect(got).toHaveLength(expected.length);
        },
      ),
      { numRuns: 12 },
    ),
  );

  test("the logits agree in any mode, with any statistics", () =>
    fc.assert(
      fc.asyncProperty(
        cases("wrn", "darts"),
        fc.constantFrom<Mode>("auto", "factorized", "dense"),
        fc.nat(2 ** 20),
        ([name, spec], mode, seed) => expectFolded(name, spec, mode, seed, "float64", 1e-11),
      ),
      { numRuns: 15 },
    ));

  test("a norm after a convolution needs no product of feature maps; a norm before one needs one", () => {
    const products = (network: Classifier, size: number): number => {
      const inner = kernels();
      let count = 0;
      useBackend({
        ...inner,
        binary: (op, a, b, broadcast) => {
          if (op === "multiply" && a.length > 2 * b.length) count++;
          return inner.binary(op, a, b, broadcast);
        },
        channelAffine: (...call) => {
          count++;
          return inner.channelAffine(...call);
        },
      });
      scope(() => noGrad(() => network.forward(normal([1, 3, size, size], new Random(0)), { training: false })));
      useBackend(inner);
      return count;
    };
    const conv = convolutionFactory({ kind: "Conv" });
    const left = networkNames.map((name) => {
      const { size, create } = networks[name]!;
      const network = create(conv, 0, "float32");
      return [name, products(foldBatchNorm(network), size)];
    });
    // The norms of WRN-10 that follow no convolution are bn1 of its three blocks and the last norm.
    expect(left).toEqual([
      ["wrn", 4],
      ["wrn-50-2", 0],
      ["darts", 0],
      ["mobilenet-v2", 0],
    ]);
  });

  test("a norm after a block, after a nested Sequential or after a Concat goes into the weights there", async () => {
    const b = build(1, "float64");
    const conv = (outChannels: number): Conv2d => new Conv2d(3, outChannels, 1, b);
    class Nested extends Block {
      readonly inner = new Sequential(new Residual(conv(3), conv(3)), ReLU(), conv(2));
      body(): Sequential {
        return this.inner;
      }
    }
    const concat = new Concat({ layer: conv(1), channels: 1 }, { layer: new Nested(), channels: 2 });
    const network = new Sequential(new Residual(concat), new BatchNorm2d(3, b), new Sequential(concat), new BatchNorm2d(3, b));
    await disturb(network, 5, "float64", 2);
    const folded = foldBatchNorm(network);
    expect(distance(await logits(folded, 5, "float64"), await logits(network, 5, "float64"))).toBeLessThan(1e-13);
    // The norm after the sum becomes a scale and a shift of its own. The other norm is a bias of each branch of the Concat.
    const names = [...folded.state().keys()];
    expect(names.filter((name) => /scale|shift/.test(name))).toEqual(["1.scale", "1.shift"]);
    expect(names.filter((name) => /bias/.test(name))).toEqual(["2.0.branches.0.bias", "2.0.branches.1.2.bias"]);
  });

  test("a user's Sequential is folded, with a convolution that has a bias and with two norms in a row", async () => {
    const b = build(1, "float64");
    const layers = [
      new BatchNorm2d(3, b),
      new Conv2d(3, 4, 3, b, { bias: true }),
      new BatchNorm2d(4, b),
      new BatchNorm2d(4, b),
      ReLU(),
      new BatchNorm2d(4, b),
    ];
    const network = new Sequential(...layers);
    await disturb(network, 5, "float64", 2);
    const folded = foldBatchNorm(network);
    expect(distance(await logits(folded, 5, "float64"), await logits(network, 5, "float64"))).toBeLessThan(1e-13);
    expect([...folded.state().keys()]).toEqual(["0.scale", "0.shift", "1.weight", "1.bias", "2.scale", "2.shift", "4.scale", "4.shift"]);
  });

  test("a folded network refuses to train", () => {
    const folded = foldBatchNorm(networks.wrn!.create(convolutionFactory({ kind: "Sep" }), 0, "float32"));
    expect(() => folded.forward(normal([1, 3, 8, 8], new Random(0)), { training: true })).toThrow(
      /foldBatchNorm: a folded network only evaluates, got training true/,
    );
  });
});
