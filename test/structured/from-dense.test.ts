/** What `fromDense` promises: a map of the family is found again, and no other map of the family is much nearer to an arbitrary target. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Random } from "../../src/core/random.ts";
import { frobenius, matrix } from "../../src/linalg/matrix.ts";
import { createLinear } from "../../src/structured/create-convolution.ts";
import type { ConvolutionKind } from "../../src/structured/spec.ts";
import type { StructuredLinear } from "../../src/structured/structured-linear.ts";
import { type StructuredConfiguration, structuredConfigurations } from "../arbitraries/structured.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";

onReferenceBackend();

/**
 * How far the answer may be from the best: 1 where it is the best, √(number of cuts) where one truncated SVD follows another (Oseledets
 * 2011, theorem 2.2), √(number of modes) for HOSVD (De Lathauwer et al. 2000, property 10).
 * MatrixTensorTrain has up to four cores, so three cuts. A butterfly of 40 features has six stages, so five cuts. The bound for tied low
 * rank is derived at `nearestTiedLowRank`.
 */
const promises: readonly (readonly [ConvolutionKind, number])[] = [
  ["Sep", 1],
  ["Generic", 1],
  ["SepHashed", 1],
  ["Shuffle", 1],
  ["Monarch", 1],
  ["BlockTensorTrain", 1],
  ["NormedBlockTensorTrain", 1],
  ["Kronecker", 1],
  ["TensorTrain", Math.SQRT2],
  ["MatrixTensorTrain", Math.sqrt(3)],
  ["Tucker", Math.sqrt(3)],
  ["Butterfly", Math.sqrt(5)],
  ["LR", Math.sqrt(10)],
];

const mapOf = ({ spec, inFeatures, outFeatures, seed }: StructuredConfiguration): StructuredLinear =>
  createLinear(spec, inFeatures, outFeatures, { random: new Random(seed), dtype: "float64" }, { init: "reference" });

const weightOf = async (map: StructuredLinear): Promise<Float64Array> => Float64Array.from(await map.toDense().data());
const distance = (a: ArrayLike<number>, b: ArrayLike<number>): number => frobenius(Float64Array.from(a, (value, i) => value - b[i]!));
const normals = (length: number, random: Random): Float64Array => Float64Array.from({ length }, () => random.normal());

/** Fills the parameters with normal numbers, so that the map is anything of its family, not what a decomposition left. */
function scramble(map: StructuredLinear, random: Random): void {
  for (const parameter of map.parameters().values()) parameter.write(normals(parameter.value.size, random));
}

describe.each(promises)("fromDense of %s", (kind, factor) => {
  test("finds a map of the family again", async () => {
    await fc.assert(
      fc.asyncProperty(structuredConfigurations(kind), async (configuration) => {
        const map = mapOf(configuration);
        scramble(map, new Random(configuration.seed + 1));
        const target = await weightOf(map);
        const { inFeatures, outFeatures } = configuration;
        scramble(map, new Random(configuration.seed + 2));
        await map.fromDense!(matrix(outFeatures, inFeatures, target));
        expect(distance(await weightOf(map), target)).toBeLessThanOrEqual(1e-10 * frobenius(target));
      }),
      { numRuns: 60 },
    );
  });

  test(`is at most ${factor.toFixed(2)} times as far from a target as any other map`, async () => {
    await fc.assert(
      fc.asyncProperty(structuredConfigurations(kind), fc.double({ min: 0, max: 1, noNaN: true }), async (configuration, noise) => {
        const { inFeatures, outFeatures, seed } = configuration;
        const map = mapOf(configuration);
        scramble(map, new Random(seed + 1));
        const rival = await weightOf(map);
        // Targets from near the family to nowhere near it: the rival is then a hard one to beat.
        const random = new Random(seed + 3);
        const target = rival.map((value) => value + noise * random.normal());
        await map.fromDense!(matrix(outFeatures, inFeatures, target));
        const error = distance(await weightOf(map), target);
        // Tied low rank gives up some of the target so that its factor stays small.
        const allowance = (kind === "LR" ? 0.01 : 1e-10) * frobenius(target);
        expect(error).toBeLessThanOrEqual(factor * distance(rival, target) + allowance);
      }),
      { numRuns: 60 },
    );
  });
});

describe("fromDense of a square LR", () => {
  test("is the nearest map", async () => {
    await fc.assert(
      fc.asyncProperty(structuredConfigurations("LR"), fc.double({ min: 0, max: 1, noNaN: true }), async (configuration, noise) => {
        const square = { ...configuration, inFeatures: configuration.outFeatures };
        const map = mapOf(square);
        scramble(map, new Random(configuration.seed + 1));
        const rival = await weightOf(map);
        const random = new Random(configuration.seed + 3);
        const target = rival.map((value) => value + noise * random.normal());
        await map.fromDense!(matrix(square.outFeatures, square.outFeatures, target));
        expect(distance(await weightOf(map), target)).toBeLessThanOrEqual(distance(rival, target) + 1e-10 * frobenius(target));
      }),
      { numRuns: 40 },
    );
  });
});

describe.each<ConvolutionKind>(["BLAST", "ACDC", "PlainACDC"])("fromDense of %s", (kind) => {
  test("never leaves more than the target itself", async () => {
    await fc.assert(
      fc.asyncProperty(structuredConfigurations(kind), async (configuration) => {
        const { inFeatures, outFeatures, seed } = configuration;
        const map = mapOf(configuration);
        const target = normals(inFeatures * outFeatures, new Random(seed));
        await map.fromDense!(matrix(outFeatures, inFeatures, target));
        expect(distance(await weightOf(map), target)).toBeLessThanOrEqual(frobenius(target) * (1 + 1e-10));
      }),
      { numRuns: 15 },
    );
  });
});

describe("fromDense of CP", () => {
  test("never leaves more than the target itself", async () => {
    await fc.assert(
      fc.asyncProperty(structuredConfigurations("CP"), async (configuration) => {
        const { inFeatures, outFeatures, seed } = configuration;
        const map = mapOf(configuration);
        const target = normals(inFeatures * outFeatures, new Random(seed));
        await map.fromDense!(matrix(outFeatures, inFeatures, target));
        expect(distance(await weightOf(map), target)).toBeLessThanOrEqual(frobenius(target) * (1 + 1e-10));
      }),
      { numRuns: 60 },
    );
  });
});
