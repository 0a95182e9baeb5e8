/** Folded networks against the networks they came from, whose norms run by the formula: every network, every family, statistics of any kind. */

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
import { Sequential } from "../../src/nn/combinators.ts";
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

/** A spec of each kind that fits the channels of all the small networks below. The type says when one is missing. */
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
/** Families that cannot stand at some site of these small networks: maps that narrow by no whole factor, budgets that are none. */
const misfits: Readonly<Record<string, readonly ConvolutionKind[]>> = {
  "wrn-50-2": ["LR"],
  darts: [...acdcKinds, "SepHashedDecimate", "LR"],
  "mobilenet-v2": [...acdcKinds, "LR"],
};
const specsOf = (name: string): ConvolutionSpec[] => Object.values(specs).filter(({ kind }) => !misfits[name]?.includes(kind));

const norms = (network: Module): BatchNorm2d[] => network.modules().filter((part): part is BatchNorm2d => part instanceof BatchNorm2d);

/**
 * Statistics as training leaves them, of the images themselves, but none quite right: μ off by a share of σ, σ² by a factor and now and then so small
 * that ε is all there is; γ of both signs and 0. Statistics that had nothing to do with the maps would blow them up from norm to norm until
 * what is compared is float32's rounding.
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
    // A tenth of the batch's own has come to nothing.
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

/** Largest difference, by the size of the largest logit. */
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
  // The initialisation that decomposes nothing.
  const network = create(convolutionFactory(spec, { mode, init: "variance-preserving" }), seed, dtype);
  // In 52 norms one behind the other, channels of no variance would leave nothing but noise.
  await disturb(network, size, dtype, seed + 1, 3, name === "mobilenet-v2" ? 0 : 0.05);
  const expected = await logits(network, size, dtype);
  // A network whose logits do not depend on its images would agree with anything.
  expect(distance(expected.slice(expected.length / 2), expected.slice(0, expected.length / 2))).toBeGreaterThan(1e-3);
  const held = memory().storages;
  const folded = foldBatchNorm(network);
  expect(norms(folded)).toEqual([]);
  expect(distance(await logits(folded, size, dtype), expected), spec.kind).toBeLessThan(tolerance);
  folded.dispose();
  // What the network is made of is as it was, and so is what is held.
  expect(memory().storages).toBe(held);
  expect(await logits(network, size, dtype)).toEqual(expected);
  network.dispose();
  expect(memory().storages).toBe(before);
}

describe("in float32, on the backend that is used", () => {
  let wasm: WasmBackend;
  beforeAll(async () => {
    wasm = await createWasmBackend({ threads: 1 });
    useBackend(wasm);
  });
  afterAll(() => {
    wasm.dispose();
    useBackend(undefined);
  });

  test.each(["wrn", "darts"])("%s of every family: logits within 1e-5 of their scale", async (name) => {
    for (const spec of specsOf(name)) await expectFolded(name, spec, "auto", 7, "float32", 1e-5);
  });

  test("any network, family, way of computing and statistics", () =>
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

  // In so many norms one behind the other float32 itself loses three digits, folded or not, before they are trained. A family of each form: one
  // weight, a hashed window before it, factors behind it, a scale in the last of them.
  test.each([
    ["wrn-50-2", ["Conv", "HashedSeparable", "CP", "Shuffle"]],
    ["mobilenet-v2", ["Sep", "CP", "Shuffle"]],
  ] as const)("%s is one function with its folded self: nothing is left but rounding", async (name, kinds) => {
    for (const kind of kinds) await expectFolded(name, specs[kind], "auto", 7, "float64", 1e-9);
  });

  test.each(structuredKinds)("a %s convolution at any site, and the norm behind it, are one function with what they fold into", (kind) =>
    fc.assert(
      fc.asyncProperty(
        structuredConfigurations(kind),
        fc.record({
          kernel: fc.constantFrom(1, 2, 3),
          stride: fc.integer({ min: 1, max: 3 }),
          padding: fc.integer({ min: 0, max: 2 }),
          dilation: fc.integer({ min: 1, max: 2 }),
          // Where the map may have one.
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
          // As large as what was added up on the way.
          const scale = Math.max(1, ...expected.map(Math.abs));
          expect(Math.max(...expected.map((value, i) => Math.abs(value - got[i]!))) / scale).toBeLessThan(1e-10);
          expect(got).toHaveLength(expected.length);
        },
      ),
      { numRuns: 12 },
    ),
  );

  test("and so it is in any mode, with any statistics", () =>
    fc.assert(
      fc.asyncProperty(
        cases("wrn", "darts"),
        fc.constantFrom<Mode>("auto", "factorized", "dense"),
        fc.nat(2 ** 20),
        ([name, spec], mode, seed) => expectFolded(name, spec, mode, seed, "float64", 1e-11),
      ),
      { numRuns: 15 },
    ));

  test("no norm behind a convolution costs a product of maps any more; of a pre-activation network those in front do", () => {
    const products = (network: Classifier, size: number): number => {
      const inner = kernels();
      let count = 0;
      useBackend({
        ...inner,
        binary: (op, a, b, broadcast) => {
          if (op === "multiply" && a.length > 2 * b.length) count++;
          return inner.binary(op, a, b, broadcast);
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
    // Of WRN-10: bn1 of each of its three blocks, and the last.
    expect(left).toEqual([
      ["wrn", 4],
      ["wrn-50-2", 0],
      ["darts", 0],
      ["mobilenet-v2", 0],
    ]);
  });

  test("a Sequential of one's own is folded too, a convolution's bias with it, and two norms in a row", async () => {
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

  test("it does not train", () => {
    const folded = foldBatchNorm(networks.wrn!.create(convolutionFactory({ kind: "Sep" }), 0, "float32"));
    expect(() => folded.forward(normal([1, 3, 8, 8], new Random(0)), { training: true })).toThrow(
      /foldBatchNorm: a folded network only evaluates, got training true/,
    );
  });
});
