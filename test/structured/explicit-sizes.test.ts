/** Maps of explicit dims and ranks: they are the structure that they say, and sizes out of range are refused with what is allowed. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Random } from "../../src/core/random.ts";
import { sizeOf } from "../../src/core/shape.ts";
import type { Build } from "../../src/nn/init.ts";
import { AcdcLinear } from "../../src/structured/acdc.ts";
import { BlastLinear } from "../../src/structured/blast.ts";
import { BlockTensorTrainLinear } from "../../src/structured/block-tensor-train.ts";
import { CanonicalPolyadicLinear } from "../../src/structured/canonical-polyadic.ts";
import { checkStructuredLinear } from "../../src/structured/check-structured-linear.ts";
import { HashedLinear } from "../../src/structured/hashed.ts";
import { KroneckerLinear } from "../../src/structured/kronecker.ts";
import { LowRankLinear, TiedLowRankLinear } from "../../src/structured/low-rank.ts";
import { MatrixTensorTrainLinear } from "../../src/structured/matrix-tensor-train.ts";
import { MonarchLinear } from "../../src/structured/monarch.ts";
import { ShuffleLinear } from "../../src/structured/shuffle-linear.ts";
import type { Initialisation, StructuredLinear } from "../../src/structured/structured-linear.ts";
import { TensorTrainLinear } from "../../src/structured/tensor-train.ts";
import { TuckerLinear } from "../../src/structured/tucker.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";

onReferenceBackend();

type Create = (build: Build, init: Initialisation) => StructuredLinear;

const few = fc.integer({ min: 1, max: 4 });
const modes = (least: number, most: number) => fc.array(few, { minLength: least, maxLength: most });
/**
 * A way to split d modes with the product in·out into in and out. The cut may fall within a mode, so `in` is any divisor of the product.
 */
const divisorOf = (size: number): fc.Arbitrary<number> =>
  fc.constantFrom(...Array.from({ length: size }, (_, i) => i + 1).filter((d) => size % d === 0));
/** Ranks that their neighbours allow, chosen from the left, each of them at most what the modes on its right can carry. */
const trainRanks = (dims: readonly number[]): fc.Arbitrary<number[]> =>
  fc.array(fc.integer({ min: 1, max: 6 }), { minLength: dims.length - 1, maxLength: dims.length - 1 }).map((wanted) => {
    const ranks = wanted.map((rank, k) => Math.min(rank, sizeOf(dims.slice(0, k + 1)), sizeOf(dims.slice(k + 1))));
    for (let k = 1; k < ranks.length; k++) ranks[k] = Math.min(ranks[k]!, ranks[k - 1]! * dims[k]!);
    for (let k = ranks.length - 2; k >= 0; k--) ranks[k] = Math.min(ranks[k]!, ranks[k + 1]! * dims[k + 1]!);
    return ranks;
  });
const tuckerRanks = (dims: readonly [number, number, number]): fc.Arbitrary<readonly [number, number, number]> =>
  fc
    .tuple(few, few, few)
    .map((wanted): [number, number, number] => [Math.min(wanted[0], dims[0]), Math.min(wanted[1], dims[1]), Math.min(wanted[2], dims[2])])
    .filter(([a, b, c]) => a <= b * c && b <= a * c && c <= a * b);

interface Explicit {
  readonly create: Create;
  /** The number of parameters from the family's formula. */
  readonly parameters: number;
}

const trains: fc.Arbitrary<Explicit> = modes(2, 5).chain((dims) =>
  fc.tuple(trainRanks(dims), divisorOf(sizeOf(dims))).map(([ranks, inFeatures]) => ({
    create: (build, init) => new TensorTrainLinear(inFeatures, sizeOf(dims) / inFeatures, { dims, ranks }, build, { init }),
    parameters: dims.reduce((total, d, k) => total + (ranks[k - 1] ?? 1) * d * (ranks[k] ?? 1), 0),
  })),
);
const tuckers: fc.Arbitrary<Explicit> = fc.tuple(few, few, few).chain((dims) =>
  fc.tuple(tuckerRanks(dims), divisorOf(sizeOf(dims))).map(([ranks, inFeatures]) => {
    const [a, b, c] = ranks;
    return {
      create: (build, init) => new TuckerLinear(inFeatures, sizeOf(dims) / inFeatures, { dims, ranks }, build, { init }),
      // The core is a train [1,a,a], [a,b,c], [c,c,1].
      parameters: a * a + a * b * c + c * c + dims[0] * a + dims[1] * b + dims[2] * c,
    };
  }),
);
const canonical: fc.Arbitrary<Explicit> = modes(2, 4).chain((dims) =>
  fc.tuple(fc.integer({ min: 1, max: sizeOf(dims) / Math.max(...dims) }), divisorOf(sizeOf(dims))).map(([rank, inFeatures]) => ({
    create: (build, init) => new CanonicalPolyadicLinear(inFeatures, sizeOf(dims) / inFeatures, { dims, rank }, build, { init }),
    parameters: rank * dims.reduce((a, b) => a + b, 0),
  })),
);
const matrixTrains: fc.Arbitrary<Explicit> = fc.array(fc.tuple(few, few), { minLength: 1, maxLength: 3 }).chain((pairs) =>
  trainRanks(pairs.map(([m, n]) => m * n)).map((ranks) => {
    const [outModes, inModes] = [pairs.map(([m]) => m), pairs.map(([, n]) => n)];
    return {
      create: (build: Build, init: Initialisation) =>
        new MatrixTensorTrainLinear(sizeOf(inModes), sizeOf(outModes), { outModes, inModes, ranks }, build, { init }),
      parameters: pairs.reduce((total, [m, n], k) => total + (ranks[k - 1] ?? 1) * m * n * (ranks[k] ?? 1), 0),
    };
  }),
);
const kroneckers: fc.Arbitrary<Explicit> = fc.tuple(few, few, few, few, few).map(([rows, columns, m2, n2, wanted]) => {
  const terms = Math.min(wanted, rows * columns, m2 * n2);
  return {
    create: (build, init) => new KroneckerLinear(columns * n2, rows * m2, { terms, rows, columns }, build, { init }),
    parameters: terms * (rows * columns + m2 * n2),
  };
});
const blockTrains: fc.Arbitrary<Explicit> = fc.tuple(few, few, few, few, few).map(([blocks, middle, inner, outer, wanted]) => {
  const rank = Math.min(wanted, inner, outer);
  const [ins, outs] = [blocks * inner, middle * outer];
  return {
    create: (build, init) => new BlockTensorTrainLinear(ins, outs, { blocks, middle, rank }, build, { init }),
    parameters: rank * (middle * ins + blocks * outs),
  };
});
const lowRanks: fc.Arbitrary<Explicit> = fc.tuple(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 12 })).chain(([ins, outs]) =>
  fc.integer({ min: 1, max: Math.min(ins, outs) }).map((rank) => ({
    create: (build, init) => new LowRankLinear(ins, outs, { rank }, build, { init }),
    parameters: rank * (ins + outs),
  })),
);
const blasts: fc.Arbitrary<Explicit> = fc.tuple(few, few, few, few).map(([blocks, p, q, rank]) => ({
  create: (build, init) =>
    new BlastLinear(blocks * p, blocks * q, { blocks, rank }, build, { init: init === "spectral" ? "reference" : init }),
  parameters: rank * (blocks * p + blocks * q + blocks ** 2),
}));

describe("a map of explicit sizes keeps the contract, and has the parameters of its formula", () => {
  test.each([
    ["tensor trains of two to five modes", trains],
    ["Tucker", tuckers],
    ["CP of two to four modes", canonical],
    ["matrix tensor trains", matrixTrains],
    ["Kronecker sums", kroneckers],
    ["block tensor trains", blockTrains],
    ["low rank", lowRanks],
    ["BLAST", blasts],
  ] as const)("%s", async (_, explicit) => {
    const inits = fc.constantFrom<Initialisation>("variance-preserving", "variance-preserving", "reference", "spectral");
    await fc.assert(
      fc.asyncProperty(explicit, inits, fc.nat(), async ({ create, parameters }, init, seed) => {
        expect(await checkStructuredLinear((build) => create(build, init), { seed })).toEqual([]);
        const map = create({ random: new Random(seed) }, "variance-preserving");
        expect(map.parameterCount()).toBe(parameters);
        map.dispose();
      }),
      { numRuns: 60 },
    );
  });
});

const build: Build = { random: new Random(0) };

describe("sizes out of range are refused, and the message says what is allowed", () => {
  test.each<[string, () => StructuredLinear]>([
    [
      "TensorTrainLinear: ranks[0] must be an integer from 1 to 4 (its neighbours allow 1·4 = 4 on the left and 4·3 = 12 on the right), got 5",
      () => new TensorTrainLinear(8, 8, { ranks: [5, 3] }, build),
    ],
    [
      "TensorTrainLinear: ranks[1] must be an integer from 1 to 2 (its neighbours allow 1·2 = 2 on the left and 8·1 = 8 on the right), got 3",
      () => new TensorTrainLinear(8, 8, { dims: [4, 2, 8], ranks: [1, 3] }, build),
    ],
    [
      "TensorTrainLinear: ranks must have one rank for each of the 2 bonds between [4,4,4], got [2]",
      () => new TensorTrainLinear(8, 8, { ranks: [2] }, build),
    ],
    [
      "TensorTrainLinear: dims must be 2 or more integers with the product 64 (inputs times outputs), got [4,4] with the product 16",
      () => new TensorTrainLinear(8, 8, { dims: [4, 4], ranks: [2] }, build),
    ],
    ["TensorTrainLinear: ranks[0] must be an integer ≥ 1, got 0", () => new TensorTrainLinear(8, 8, { ranks: [0, 2] }, build)],
    [
      "TuckerLinear: ranks[1] must be an integer from 1 to 2 (dims[1] is 4, and the product of the other ranks is 2), got 3",
      () => new TuckerLinear(8, 8, { ranks: [1, 3, 2] }, build),
    ],
    [
      "TuckerLinear: ranks[2] must be an integer from 1 to 4 (dims[2] is 4, and the product of the other ranks is 16), got 5",
      () => new TuckerLinear(8, 8, { ranks: [4, 4, 5] }, build),
    ],
    [
      "CanonicalPolyadicLinear: rank must be an integer from 1 to 16 (the product of all dims [4,4,4] but the largest gives every tensor), got 17",
      () => new CanonicalPolyadicLinear(8, 8, { rank: 17 }, build),
    ],
    [
      "LowRankLinear: rank must be an integer from 1 to 6 (the smaller side of W), got 7",
      () => new LowRankLinear(8, 6, { rank: 7 }, build),
    ],
    ["TiedLowRankLinear: rank must be an integer from 1 to 8 (the outputs), got 9", () => new TiedLowRankLinear(4, 8, { rank: 9 }, build)],
    [
      "KroneckerLinear: terms must be an integer from 1 to 4 (B has 2·2 = 4 entries, and C has 4·4 = 16), got 5",
      () => new KroneckerLinear(8, 8, { terms: 5 }, build),
    ],
    ["KroneckerLinear: rows must divide 8 (the outputs), got 3", () => new KroneckerLinear(8, 8, { terms: 1, rows: 3 }, build)],
    [
      "BlockTensorTrainLinear: rank must be an integer from 1 to 2 (a block has in/blocks = 2 inputs and out/middle = 4 outputs), got 3",
      () => new BlockTensorTrainLinear(8, 8, { blocks: 4, middle: 2, rank: 3 }, build),
    ],
    [
      "BlockTensorTrainLinear: middle must divide 8 (the outputs), got 3",
      () => new BlockTensorTrainLinear(8, 8, { middle: 3, rank: 1 }, build),
    ],
    ["MonarchLinear: blocks must divide 8 (the inputs), got 3", () => new MonarchLinear(8, 8, { blocks: 3 }, build)],
    [
      "BlastLinear: blocks must divide 4 (the greatest common divisor of inputs and outputs), got 3",
      () => new BlastLinear(8, 12, { blocks: 3, rank: 1 }, build),
    ],
    [
      "MatrixTensorTrainLinear: outModes and inModes must have the same length, got [2,4] and [8]",
      () => new MatrixTensorTrainLinear(8, 8, { outModes: [2, 4], inModes: [8], ranks: [1] }, build),
    ],
    [
      "MatrixTensorTrainLinear: ranks[0] must be an integer from 1 to 4 (its neighbours allow 1·4 = 4 on the left and 16·1 = 16 on the right), got 5",
      () => new MatrixTensorTrainLinear(8, 8, { outModes: [2, 4], inModes: [2, 4], ranks: [5] }, build),
    ],
    [
      "ShuffleLinear: groups must divide 2 (the greatest common divisor of inputs, outputs and bottleneck), got 3",
      () => new ShuffleLinear(6, 8, { groups: 3 }, build),
    ],
    ["ACDC: factors must be an integer ≥ 1, got 0", () => new AcdcLinear(8, 8, { factors: 0 }, build)],
    ["HashedWeight: the budget must be an integer ≥ 2, got 1; raise the fraction", () => new HashedLinear(8, 8, { budget: 1 }, build)],
  ])("%s", (message, create) => {
    expect(create).toThrow(message);
  });
});
