/**
 * What the families promise beside the property they all share, which holds as well for a map that never contracts its factors, or that has
 * other sizes than its documentation says.
 */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Random } from "../../src/core/random.ts";
import { sizeOf } from "../../src/core/shape.ts";
import { tensorArray } from "../../src/linalg/tensor-array.ts";
import { tensorTrain, tensorTrainToDense } from "../../src/linalg/tensor-train.ts";
import { contractChannels } from "../../src/ops/contract-channels.ts";
import { normal } from "../../src/ops/creation.ts";
import { createLinear } from "../../src/structured/create-convolution.ts";
import { MonarchLinear } from "../../src/structured/monarch.ts";
import type { ConvolutionKind } from "../../src/structured/spec.ts";
import { trainSizes } from "../../src/structured/three-way.ts";
import { boundaryOf, trainStages } from "../../src/structured/train-contraction.ts";
import { structuredConfigurations, structuredKinds } from "../arbitraries/structured.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";

onReferenceBackend();

/** Kinds whose only contraction is the dense matrix, or whose modes may fail to meet the boundary. */
const denseOnly: readonly ConvolutionKind[] = [
  "Conv",
  "Sep",
  "Hashed",
  "HashedDecimate",
  "SepHashed",
  "SepHashedDecimate",
  "HashedSeparable",
];
const threeWay: readonly ConvolutionKind[] = ["TensorTrain", "Tucker", "CP"];

describe("factors are contracted, whatever the sizes", () => {
  test.each(structuredKinds.filter((kind) => ![...denseOnly, ...threeWay].includes(kind)))("%s", (kind) => {
    fc.assert(
      fc.property(structuredConfigurations(kind), ({ spec, inFeatures, outFeatures, seed, init }) => {
        const map = createLinear(spec, inFeatures, outFeatures, { random: new Random(seed) }, { init });
        expect(map.paths()).toContain("factorized");
        map.dispose();
      }),
      { numRuns: 50 },
    );
  });

  test("trains do where the sizes of their modes, from the last, multiply up to the inputs or to a multiple that one mode completes", () => {
    const modes = fc.array(fc.integer({ min: 1, max: 8 }), { minLength: 1, maxLength: 4 });
    const cuts = modes.chain((dims) => {
      const size = sizeOf(dims);
      return fc.tuple(fc.constant(dims), fc.constantFrom(...Array.from({ length: size }, (_, i) => i + 1).filter((n) => size % n === 0)));
    });
    fc.assert(
      fc.property(cuts, ([dims, inFeatures]) => {
        const after = dims.map((_, k) => sizeOf(dims.slice(k + 1)));
        const cut = dims.some((d, k) => inFeatures % after[k]! === 0 && (d * after[k]!) % inFeatures === 0);
        const boundary = boundaryOf(dims, inFeatures);
        expect(boundary !== undefined).toBe(cut);
        if (boundary === undefined) return;
        expect(boundary.inner * after[boundary.mode]!).toBe(inFeatures);
        expect(boundary.outer * boundary.inner).toBe(dims[boundary.mode]);
      }),
      { numRuns: 500 },
    );
  });
});

test("a train of any number of cores, cut in any of them, is its dense matrix", async () => {
  const trains = fc
    .record({
      outputs: fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 2 }),
      cut: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
      inputs: fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 2 }),
      bonds: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 4, maxLength: 4 }),
      images: fc.integer({ min: 1, max: 2 }),
      columns: fc.integer({ min: 1, max: 3 }),
      seed: fc.nat(),
    })
    .map((drawn) => ({ ...drawn, dims: [...drawn.outputs, drawn.cut[0] * drawn.cut[1], ...drawn.inputs] }));
  await fc.assert(
    fc.asyncProperty(trains, async ({ outputs, cut: [outer, inner], inputs, dims, bonds, images, columns, seed }) => {
      const random = new Random(seed);
      const bond = (k: number): number => (k === 0 || k === dims.length ? 1 : bonds[k - 1]!);
      const cores = dims.map((d, k) => normal([bond(k), d, bond(k + 1)], random.fork(k), { dtype: "float64" }));
      const [outs, ins] = [sizeOf(outputs) * outer, inner * sizeOf(inputs)];
      const x = normal([images, ins, columns], random.fork(9), { dtype: "float64" });
      const y = await contractChannels(x, trainStages(cores, { mode: outputs.length, outer, inner })).data();
      const arrays = await Promise.all(cores.map(async (core) => tensorArray(core.shape, await core.data())));
      const w = tensorTrainToDense({ cores: arrays }).data;
      const xs = await x.data();
      expect(y).toHaveLength(images * outs * columns);
      for (let n = 0; n < images; n++)
        for (let o = 0; o < outs; o++)
          for (let p = 0; p < columns; p++) {
            let expected = 0;
            for (let i = 0; i < ins; i++) expected += w[o * ins + i]! * xs[(n * ins + i) * columns + p]!;
            expect(y[(n * outs + o) * columns + p]).toBeCloseTo(expected, 9);
          }
    }),
    { numRuns: 200 },
  );
});

test("the sizes of a train are those its decomposition leaves", () => {
  const dim = fc.integer({ min: 1, max: 9 });
  const scales = fc.double({ min: 0.05, max: 3, noNaN: true });
  fc.assert(
    fc.property(fc.tuple(dim, dim, dim), scales, fc.nat(), (dims, scale, seed) => {
      const { wanted, ranks, parameters } = trainSizes(dims, scale);
      const random = new Random(seed);
      const x = tensorArray(
        dims,
        Float64Array.from({ length: sizeOf(dims) }, () => random.normal()),
      );
      const { cores } = tensorTrain(x, wanted);
      expect(cores.slice(1).map(({ shape }) => shape[0])).toEqual(ranks);
      expect(cores.reduce((total, { data }) => total + data.length, 0)).toBe(parameters);
    }),
    { numRuns: 300 },
  );
});

test("between the two halves of a Monarch map lie as many channels as its narrower side has", () => {
  const cases = fc
    .tuple(fc.constantFrom(1, 2, 3, 4), fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 }))
    .map(([blocks, a, b]) => ({ blocks, inFeatures: blocks ** 2 * a, outFeatures: blocks ** 2 * b }));
  fc.assert(
    fc.property(cases, ({ blocks, inFeatures, outFeatures }) => {
      const map = new MonarchLinear(inFeatures, outFeatures, { blocks }, { random: new Random(1) });
      const between = Math.min(inFeatures, outFeatures);
      expect(map.cost().parameters).toBe((between / blocks) * (inFeatures + outFeatures));
      map.dispose();
    }),
  );
});

test("sizes that are no sizes are refused by name", () => {
  expect(() => new MonarchLinear(0, 8, { blocks: 2 }, { random: new Random(1) })).toThrow(/Monarch.*inFeatures/s);
  expect(() => new MonarchLinear(8, 8, { blocks: 1.5 }, { random: new Random(1) })).toThrow(/Monarch.*blocks/s);
});

test("without channel shuffles, ACDC with unit diagonals does nothing; with them it permutes what it transforms", async () => {
  const identityLeft = async (kind: "ACDC" | "PlainACDC"): Promise<boolean> => {
    const map = createLinear({ kind, factors: 3 }, 8, 8, { random: new Random(1), dtype: "float64" });
    for (const parameter of map.parameters().values()) parameter.write(new Float64Array(sizeOf(parameter.shape)).fill(1));
    const w = await map.toDense().data();
    return w.every((value, k) => Math.abs(value - (k % 9 === 0 ? 1 : 0)) < 1e-12);
  };
  expect(await identityLeft("PlainACDC")).toBe(true);
  expect(await identityLeft("ACDC")).toBe(false);
});
