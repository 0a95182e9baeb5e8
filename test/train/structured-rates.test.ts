/** Learning rates by structure: the factors of every family against figures computed by hand, and the groups that they make. */

import { describe, expect, test } from "vitest";
import { Random } from "../../src/core/random.ts";
import { presets } from "../../src/experiment/presets.ts";
import { createOptimizer } from "../../src/experiment/recipe.ts";
import { WideResNet } from "../../src/models/wide-resnet.ts";
import { Sequential } from "../../src/nn/combinators.ts";
import { tensor } from "../../src/ops/creation.ts";
import { BlockTensorTrainLinear } from "../../src/structured/block-tensor-train.ts";
import { CanonicalPolyadicLinear } from "../../src/structured/canonical-polyadic.ts";
import { parseConvolution } from "../../src/structured/convolution-text.ts";
import { convolutionFactory, createLinear } from "../../src/structured/create-convolution.ts";
import { families } from "../../src/structured/families.ts";
import { MatrixTensorTrainLinear } from "../../src/structured/matrix-tensor-train.ts";
import type { StructuredLinear } from "../../src/structured/structured-linear.ts";
import { TensorTrainLinear } from "../../src/structured/tensor-train.ts";
import { TuckerLinear } from "../../src/structured/tucker.ts";
import { structuredRates, withRates } from "../../src/train/structured-rates.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";

onReferenceBackend();

const build = { random: new Random(0), dtype: "float64" } as const;
const fast = { init: "variance-preserving" } as const;
/** Maps from n = 8 to m = 16 numbers, so m/n = 2. */
const map = (text: string): StructuredLinear => createLinear(parseConvolution(text), 8, 16, build, fast);

/**
 * For each factor, from the first to act: sgd (out/in)/2/k, and adam (8/in)/k. The sizes of the factors stand in the comments as in → out.
 */
const byHand: readonly (readonly [string, () => StructuredLinear, sgd: readonly number[], adam: readonly number[]])[] = [
  // 8 → 4, 4 → 16
  ["Generic", () => map("Generic_0.25"), [1 / 8, 1], [1 / 2, 1]],
  // The one factor is 8 → 4 and 4 → 16: the geometric mean of the two above.
  ["LR", () => map("LR_0.25"), [Math.sqrt(1 / 8)], [Math.sqrt(1 / 2)]],
  // Two blocks of 4 → 4, two blocks of 4 → 8
  ["Monarch", () => map("Monarch_2"), [1 / 4, 1 / 2], [1, 1]],
  // b = 2 blocks of 4 → 4, q = 4 blocks of 2 → 4
  ["BlockTensorTrain", () => map("BlockTensorTrain_1"), [1 / 4, 1 / 2], [1, 2]],
  ["NormedBlockTensorTrain", () => map("NormedBlockTensorTrain_1"), [1 / 4, 1 / 2], [1, 2]],
  // C: 4 → 2·4, B: 2·2 → 4
  ["Kronecker", () => map("Kronecker_2"), [1 / 2, 1 / 4], [1, 1]],
  // V: 4 → 4, S: 2 → 2, U: 4 → 8
  ["BLAST", () => map("BLAST_0.5_2"), [1 / 6, 1 / 6, 1 / 3], [2 / 3, 4 / 3, 2 / 3]],
  // Four stages of 2 → 2 in one parameter
  ["Butterfly", () => map("Butterfly"), [1 / 8], [1]],
  // Two factors of two diagonals, 1 → 1
  ["ACDC", () => map("ACDC_3"), [1 / 8, 1 / 8, 1 / 8, 1 / 8], [2, 2, 2, 2]],
  ["OriginalACDC", () => map("OriginalACDC_2"), [1 / 4, 1 / 4], [4, 4]],
  ["PlainACDC", () => map("PlainACDC_2"), [1 / 4, 1 / 4], [4, 4]],
  // Two groups: 4 → 2, a diagonal, 2 → 8
  ["Shuffle", () => map("Shuffle_2"), [1 / 12, 1 / 6, 2 / 3], [2 / 3, 8 / 3, 4 / 3]],
  // 1·2 → 4·2, 2·4 → 4·1
  [
    "MatrixTensorTrain",
    () => new MatrixTensorTrainLinear(8, 16, { outModes: [4, 4], inModes: [2, 4], ranks: [2] }, build, fast),
    [1, 1 / 8],
    [2, 1 / 2],
  ],
  // 8 → 3, 3 → 2, 2 → 16
  [
    "TensorTrain",
    () => new TensorTrainLinear(8, 16, { dims: [4, 8, 4], ranks: [2, 3] }, build, fast),
    [3 / 48, 2 / 18, 4 / 3],
    [1 / 3, 8 / 9, 4 / 3],
  ],
  // U₃: 8 → 2, the core's third part 2 → 2, its second 2 → 2, U₂: 3 → 8, the core's first 2 → 2, U₁: 2 → 16
  [
    "Tucker",
    () => new TuckerLinear(8, 16, { dims: [4, 8, 4], ranks: [2, 3, 2] }, build, fast),
    [1 / 48, 1 / 12, 1 / 12, 8 / 36, 1 / 12, 2 / 3],
    [1 / 6, 2 / 3, 2 / 3, 4 / 9, 2 / 3, 2 / 3],
  ],
  // 8 → 3, 1 → 1, 3 → 16
  [
    "CP",
    () => new CanonicalPolyadicLinear(8, 16, { dims: [4, 8, 4], rank: 3 }, build, fast),
    [3 / 48, 1 / 6, 16 / 18],
    [1 / 3, 8 / 3, 8 / 9],
  ],
];

/** How many factors act one after another, or side by side in a sum, in each of these maps. A parameter may act as several. */
const factorCounts: Readonly<Record<string, number>> = {
  Generic: 2,
  LR: 2,
  Monarch: 2,
  BlockTensorTrain: 2,
  NormedBlockTensorTrain: 2,
  Kronecker: 2,
  BLAST: 3,
  Butterfly: 4,
  ACDC: 4,
  OriginalACDC: 2,
  PlainACDC: 2,
  Shuffle: 3,
  MatrixTensorTrain: 2,
  TensorTrain: 3,
  Tucker: 6,
  CP: 3,
};

/** Dense and hashed maps have one weight that sums over all inputs, which the rules leave as it is. */
const unscaled = ["Conv", "Sep", "Hashed", "HashedDecimate", "SepHashed", "SepHashedDecimate", "HashedSeparable"];

describe("structuredRates", () => {
  test.each(byHand)("of %s are those computed by hand", (kind, make, sgd, adam) => {
    const layer = make();
    const parameters = [...new Set(layer.factorSizes().map(({ parameter }) => parameter))];
    for (const [rule, expected] of [
      ["sgd", sgd],
      ["adam", adam],
      ["muon", adam.map(() => 1 / factorCounts[kind]!)],
    ] as const) {
      const rates = structuredRates(new Sequential(layer), rule);
      expect(rates.size).toBe(expected.length);
      for (const [i, parameter] of parameters.entries()) expect(rates.get(parameter)).toBeCloseTo(expected[i]!, 12);
    }
  });

  test("are known for every family, and every factor but a gain has one", () => {
    expect([...byHand.map(([kind]) => kind), ...unscaled].sort()).toEqual(families.map(({ kind }) => kind).sort());
    for (const [, make] of byHand) {
      const layer = make();
      const rates = structuredRates(layer, "sgd");
      for (const [name, parameter] of layer.parameters()) expect([name, rates.has(parameter)]).toEqual([name, !name.endsWith("gain")]);
    }
  });

  test("of the bottleneck 160 → 16 → 160 are 0.05 and 5", () => {
    const layer = createLinear({ kind: "Generic", scale: 0.1 }, 160, 160, build, fast);
    expect([...structuredRates(layer, "sgd").values()]).toEqual([expect.closeTo(0.05, 12), expect.closeTo(5, 12)]);
  });

  test("reach the maps of every convolution of a network, with several windows too", () => {
    const options = { depth: 10, width: 1, classes: 3 };
    for (const [text, factors] of [
      ["Generic_0.25", 2],
      ["Generic_0.25x3", 6],
      ["Shuffle_2", 3],
      ["Sep", 0],
    ] as const) {
      const network = new WideResNet({ ...options, convolution: convolutionFactory(parseConvolution(text), fast) }, build);
      expect(structuredRates(network, "adam").size).toBe(6 * factors);
    }
  });
});

describe("withRates", () => {
  test("multiplies rates, keeps rate times decay, and keeps every parameter once", () => {
    const layer = map("Generic_0.25");
    const [first, second] = [...layer.parameters()];
    const groups = withRates([{ parameters: layer.parameters(), weightDecay: 0.4, rateFactor: 3 }], structuredRates(layer, "sgd"));
    expect(groups).toHaveLength(2);
    expect([...groups[0]!.parameters]).toEqual([first]);
    expect([...groups[1]!.parameters]).toEqual([second]);
    expect(groups[0]!.rateFactor).toBeCloseTo(3 / 8, 12);
    expect(groups[0]!.weightDecay! * groups[0]!.rateFactor!).toBeCloseTo(1.2, 12);
    expect(groups[1]!.rateFactor).toBeCloseTo(3, 12);
  });

  test("is what --structured-rates does to a step, and nothing without it", async () => {
    const change = async (structured: boolean | undefined): Promise<number[]> => {
      const layer = map("Generic_0.25") as StructuredLinear & WideResNet;
      const settings = { ...presets.quick, momentum: 0, nesterov: false, weightDecay: 0, structuredRates: structured };
      const optimizer = createOptimizer(settings, layer, 0);
      const before = await Promise.all(optimizer.values.map(async (value) => (await value.data()).slice()));
      const ones = optimizer.values.map(({ shape, size }) => tensor(new Float64Array(size).fill(1), { shape, dtype: "float64" }));
      optimizer.step(ones, 0.01);
      return Promise.all(optimizer.values.map(async (value, i) => before[i]![0]! - (await value.data())[0]!));
    };
    expect(await change(undefined)).toEqual([expect.closeTo(0.01, 12), expect.closeTo(0.01, 12)]);
    expect(await change(true)).toEqual([expect.closeTo(0.01 / 8, 12), expect.closeTo(0.01, 12)]);
  });

  test("shares the step of Muon among the factors that are matrices, unless told otherwise", async () => {
    const change = async (structured: boolean | undefined): Promise<number[]> => {
      // Shuffle has three factors. Its diagonal is a vector, which SGD trains.
      const layer = createLinear(
        parseConvolution("Shuffle_2"),
        8,
        16,
        { random: new Random(0), dtype: "float64" },
        fast,
      ) as StructuredLinear & WideResNet;
      const settings = { ...presets["wide-resnet"], weightDecay: 0, structuredRates: structured };
      const optimizer = createOptimizer(settings, layer, 0);
      const before = await Promise.all(optimizer.values.map(async (value) => (await value.data()).slice()));
      optimizer.step(
        optimizer.values.map(({ shape, size }) => tensor(new Float64Array(size).fill(1), { shape, dtype: "float64" })),
        0.01,
      );
      return Promise.all(optimizer.values.map(async (value, i) => before[i]![0]! - (await value.data())[0]!));
    };
    const [first, second, diagonal] = await change(false);
    for (const structured of [undefined, true])
      expect(await change(structured)).toEqual([first! / 3, second! / 3, diagonal].map((value) => expect.closeTo(value!, 12)));
    expect(Math.min(first!, second!, diagonal!)).toBeGreaterThan(1e-3);
  });
});

describe("weight normalisation of a block tensor train", () => {
  test("leaves a factor that is small, holds a factor that has grown, and follows γ", async () => {
    const layer = new BlockTensorTrainLinear(8, 16, { rank: 2, blocks: 2, middle: 4 }, build, { weightNorm: true });
    const plain = new BlockTensorTrainLinear(8, 16, { rank: 2, blocks: 2, middle: 4 }, build);
    const dense = async (map: StructuredLinear): Promise<number[]> => [...(await map.toDense().data())];
    const small = (parameter: { value: { size: number } }): Float64Array => new Float64Array(parameter.value.size).fill(0.01);
    for (const one of [layer, plain]) for (const side of [one.left, one.right]) side.write(small(side));
    expect(await dense(layer)).toEqual((await dense(plain)).map((value) => expect.closeTo(value, 14)));
    // L:[4,4,2,2] sums over 4 numbers, which gives σ = 1/2. Its numbers are 3, so their root mean square is 6σ.
    layer.left.write(new Float64Array(layer.left.value.size).fill(3));
    plain.left.write(new Float64Array(plain.left.value.size).fill(0.5));
    expect(await dense(layer)).toEqual((await dense(plain)).map((value) => expect.closeTo(value, 14)));
    layer.left_gain!.write([2]);
    expect(await dense(layer)).toEqual((await dense(plain)).map((value) => expect.closeTo(2 * value, 14)));
  });
});
