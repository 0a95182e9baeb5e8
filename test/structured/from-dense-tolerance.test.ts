/** `fromDense(W, { tolerance })`: the error is at most the tolerance, and the ranks are as small as the theory says. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Random } from "../../src/core/random.ts";
import { sizeOf } from "../../src/core/shape.ts";
import { frobenius, type Matrix, matrix, relativeDistance } from "../../src/linalg/matrix.ts";
import { svd } from "../../src/linalg/svd.ts";
import { BlockTensorTrainLinear } from "../../src/structured/block-tensor-train.ts";
import { CanonicalPolyadicLinear } from "../../src/structured/canonical-polyadic.ts";
import { checkStructuredLinear } from "../../src/structured/check-structured-linear.ts";
import type { FromDenseOptions } from "../../src/structured/from-dense.ts";
import { KroneckerLinear } from "../../src/structured/kronecker.ts";
import { LowRankLinear } from "../../src/structured/low-rank.ts";
import { MatrixTensorTrainLinear } from "../../src/structured/matrix-tensor-train.ts";
import { MonarchLinear } from "../../src/structured/monarch.ts";
import type { StructuredLinear } from "../../src/structured/structured-linear.ts";
import { TensorTrainLinear } from "../../src/structured/tensor-train.ts";
import { TuckerLinear } from "../../src/structured/tucker.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";

onReferenceBackend();

const build = { random: new Random(0), dtype: "float64" } as const;

const families: readonly (readonly [string, (w: Matrix, options: FromDenseOptions) => StructuredLinear])[] = [
  ["LowRankLinear", (w, options) => LowRankLinear.fromDense(w, options)],
  ["TensorTrainLinear", (w, options) => TensorTrainLinear.fromDense(w, options)],
  ["MatrixTensorTrainLinear", (w, options) => MatrixTensorTrainLinear.fromDense(w, options)],
  ["TuckerLinear", (w, options) => TuckerLinear.fromDense(w, options)],
  ["CanonicalPolyadicLinear", (w, options) => CanonicalPolyadicLinear.fromDense(w, options)],
  ["KroneckerLinear", (w, options) => KroneckerLinear.fromDense(w, options)],
  ["BlockTensorTrainLinear", (w, options) => BlockTensorTrainLinear.fromDense(w, options)],
  ["MonarchLinear", (w, options) => MonarchLinear.fromDense(w, options)],
];

/**
 * Matrices whose singular values fall by a factor from one to the next: from no structure at all to numerically rank one;
 * some are huge or tiny.
 */
const matrices = fc
  .record({
    rows: fc.integer({ min: 1, max: 12 }),
    columns: fc.integer({ min: 1, max: 12 }),
    fall: fc.constantFrom(1, 0.7, 0.3, 0.05),
    scale: fc.constantFrom(1, 1e-30, 1e30, 0),
    seed: fc.nat(),
  })
  .map(({ rows, columns, fall, scale, seed }) => {
    const random = new Random(seed);
    const { u, v } = svd(
      matrix(
        rows,
        columns,
        Float64Array.from({ length: rows * columns }, () => random.normal()),
      ),
    );
    const w = matrix(rows, columns);
    for (let i = 0; i < rows; i++)
      for (let j = 0; j < columns; j++)
        for (let t = 0; t < u.columns; t++)
          w.data[i * columns + j]! += scale * fall ** t * u.data[i * u.columns + t]! * v.data[j * v.columns + t]!;
    return w;
  });
const tolerances = fc.constantFrom(1e-10, 1e-6, 0.01, 0.1, 0.3, 0.9);

const denseOf = async (map: StructuredLinear): Promise<Float64Array> => Float64Array.from(await map.toDense().data());
/** ‖values from `rank` on‖. */
const tail = (values: ArrayLike<number>, rank: number): number => frobenius(Float64Array.from(values).subarray(rank));
/** The smallest rank ≥ 1 that leaves at most `lost` of the singular values. */
const rankWithin = (values: Float64Array, lost: number): number => {
  let rank = 1;
  while (tail(values, rank) > lost) rank++;
  return rank;
};

describe.each(families)("%s.fromDense", (name, fromDense) => {
  const numRuns = name === "CanonicalPolyadicLinear" ? 25 : 80;

  test("has an error of at most the tolerance, with the given bias", async () => {
    await fc.assert(
      fc.asyncProperty(matrices, tolerances, async (w, tolerance) => {
        const bias = Float64Array.from({ length: w.rows }, (_, o) => o);
        const map = fromDense(w, { tolerance, bias, dtype: "float64" });
        expect([map.inFeatures, map.outFeatures]).toEqual([w.columns, w.rows]);
        expect(relativeDistance(await denseOf(map), w.data)).toBeLessThanOrEqual(tolerance);
        expect([...(await map.bias!.read())]).toEqual([...bias]);
        map.dispose();
      }),
      { numRuns },
    );
  });

  test("has an error of at most the tolerance in float32, down to the smallest tolerance", async () => {
    await fc.assert(
      fc.asyncProperty(matrices, fc.constantFrom(1e-5, 1e-3, 0.2), async (w, tolerance) => {
        const map = fromDense(w, { tolerance });
        expect(relativeDistance(await denseOf(map), w.data)).toBeLessThanOrEqual(tolerance);
        map.dispose();
      }),
      { numRuns: Math.min(numRuns, 40) },
    );
  });

  test("keeps the contract of every structured map", async () => {
    await fc.assert(
      fc.asyncProperty(matrices, tolerances, async (w, tolerance) => {
        const scaled = matrix(
          w.rows,
          w.columns,
          w.data.map((value) => value / (frobenius(w.data) || 1)),
        );
        expect(await checkStructuredLinear(() => fromDense(scaled, { tolerance, dtype: "float64" }))).toEqual([]);
      }),
      { numRuns: Math.min(numRuns, 30) },
    );
  });

  test("a tolerance out of range, and a bias of another length, are refused", () => {
    const w = matrix(2, 2, [1, 2, 3, 4]);
    expect(() => fromDense(w, { tolerance: 1e-6 })).toThrow(
      `${name}: tolerance must be at least 0.00001 in float32 and below 1, got 0.000001`,
    );
    expect(() => fromDense(w, { tolerance: 1 })).toThrow("and below 1, got 1");
    expect(() => fromDense(w, { tolerance: Number.NaN })).toThrow("got NaN");
    expect(() => fromDense(w, { tolerance: 0.1, bias: [1] })).toThrow(
      `${name}: bias must have one value for each of the 2 rows of W, got 1`,
    );
  });
});

test("low rank has the smallest rank that the singular values allow", () => {
  fc.assert(
    fc.property(matrices, tolerances, (w, tolerance) => {
      const { s } = svd(w);
      const map = LowRankLinear.fromDense(w, { tolerance, dtype: "float64" });
      const norm = frobenius(w.data);
      // 2e-12 of the tolerance is kept for rounding.
      expect(map.rank).toBeGreaterThanOrEqual(rankWithin(s, tolerance * norm));
      expect(map.rank).toBeLessThanOrEqual(rankWithin(s, (tolerance - 2.1e-12) * norm));
      map.dispose();
    }),
    { numRuns: 300 },
  );
});

test("a block tensor train has the smallest rank: one less misses the tolerance", async () => {
  await fc.assert(
    fc.asyncProperty(matrices, tolerances, async (w, tolerance) => {
      const { shape } = BlockTensorTrainLinear.fromDense(w, { tolerance, dtype: "float64" });
      if (shape.rank === 1) return;
      const less = new BlockTensorTrainLinear(w.columns, w.rows, { ...shape, rank: shape.rank - 1 }, build);
      less.fromDense(w);
      expect(relativeDistance(await denseOf(less), w.data)).toBeGreaterThan(tolerance - 2.1e-12);
    }),
    { numRuns: 100 },
  );
});

test("a Kronecker sum has the fewest terms: one less misses the tolerance", async () => {
  await fc.assert(
    fc.asyncProperty(matrices, tolerances, async (w, tolerance) => {
      const [terms, rows, columns] = KroneckerLinear.fromDense(w, { tolerance, dtype: "float64" }).B.shape as [number, number, number];
      if (terms === 1) return;
      const less = new KroneckerLinear(w.columns, w.rows, { terms: terms - 1, rows, columns }, build);
      less.fromDense(w);
      expect(relativeDistance(await denseOf(less), w.data)).toBeGreaterThan(tolerance - 2.1e-12);
    }),
    { numRuns: 100 },
  );
});

test("a Monarch map has the fewest parameters: every number of blocks with fewer misses the tolerance", async () => {
  await fc.assert(
    fc.asyncProperty(matrices, tolerances, async (w, tolerance) => {
      const found = MonarchLinear.fromDense(w, { tolerance, dtype: "float64" });
      for (let blocks = 1; blocks <= Math.min(w.rows, w.columns); blocks++) {
        if (w.rows % blocks !== 0 || w.columns % blocks !== 0) continue;
        const rival = new MonarchLinear(w.columns, w.rows, { blocks }, build);
        if (rival.parameterCount() >= found.parameterCount()) continue;
        rival.fromDense(w);
        expect(relativeDistance(await denseOf(rival), w.data)).toBeGreaterThan(tolerance - 2.1e-12);
      }
    }),
    { numRuns: 60 },
  );
});

/** The unfolding of W, as a tensor of the given dims, at bond k: its singular values bound the rank there. */
const bondSpectrum = (dims: readonly number[], data: Float64Array, k: number): Float64Array => {
  const rows = sizeOf(dims.slice(0, k + 1));
  return svd(matrix(rows, data.length / rows, data)).s;
};

test("every rank of a train lies between those of the unfoldings at the tolerance and at tolerance/√(d−1)", () => {
  const split = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 2, maxLength: 5 });
  fc.assert(
    fc.property(split, fc.constantFrom(1, 0.4, 0.1), tolerances, fc.nat(), (dims, noise, tolerance, seed) => {
      const random = new Random(seed);
      const size = sizeOf(dims);
      // A product of vectors and noise.
      const vectors = dims.map((d) => Array.from({ length: d }, () => random.normal()));
      const data = Float64Array.from({ length: size }, (_, at) => {
        let [rest, value] = [at, 1];
        for (let k = dims.length - 1; k >= 0; k--) {
          value *= vectors[k]![rest % dims[k]!]!;
          rest = Math.floor(rest / dims[k]!);
        }
        return value + noise * random.normal();
      });
      const map = TensorTrainLinear.fromDense(matrix(size, 1, data), { tolerance, dims, dtype: "float64" });
      for (const [k, rank] of map.ranks.entries()) {
        const spectrum = bondSpectrum(dims, data, k);
        const norm = frobenius(data);
        expect(rank).toBeGreaterThanOrEqual(rankWithin(spectrum, tolerance * norm));
        expect(rank).toBeLessThanOrEqual(rankWithin(spectrum, ((tolerance - 2.1e-12) / Math.sqrt(map.ranks.length)) * norm));
      }
      map.dispose();
    }),
    { numRuns: 200 },
  );
});

describe("the ranks of a map of the family are found again", () => {
  const scrambled = async (map: StructuredLinear, seed: number): Promise<Matrix> => {
    const random = new Random(seed);
    for (const parameter of map.parameters().values())
      parameter.write(Float64Array.from({ length: parameter.value.size }, () => random.normal()));
    return matrix(map.outFeatures, map.inFeatures, await denseOf(map));
  };
  const options = { tolerance: 1e-9, dtype: "float64" } as const;

  test.each([1, 2, 3])("seed %i", async (seed) => {
    const dims = [2, 3, 4, 5];
    const train = await scrambled(new TensorTrainLinear(12, 10, { dims, ranks: [2, 3, 2] }, build), seed);
    expect(TensorTrainLinear.fromDense(train, { ...options, dims }).ranks).toEqual([2, 3, 2]);
    const modes = { outModes: [2, 3, 2], inModes: [3, 2, 2] };
    const matrixTrain = await scrambled(new MatrixTensorTrainLinear(12, 12, { ...modes, ranks: [4, 3] }, build), seed);
    expect(MatrixTensorTrainLinear.fromDense(matrixTrain, { ...options, ...modes }).ranks).toEqual([4, 3]);
    const tucker = await scrambled(new TuckerLinear(8, 8, { ranks: [2, 3, 2] }, build), seed);
    expect(TuckerLinear.fromDense(tucker, options).ranks).toEqual([2, 3, 2]);
    const low = await scrambled(new LowRankLinear(9, 7, { rank: 3 }, build), seed);
    expect(LowRankLinear.fromDense(low, options).rank).toBe(3);
    const sum = await scrambled(new KroneckerLinear(12, 8, { terms: 3, rows: 2, columns: 3 }, build), seed);
    expect(KroneckerLinear.fromDense(sum, { ...options, rows: 2, columns: 3 }).B.shape).toEqual([3, 2, 3]);
    const blocks = await scrambled(new BlockTensorTrainLinear(12, 12, { blocks: 3, middle: 4, rank: 2 }, build), seed);
    expect(BlockTensorTrainLinear.fromDense(blocks, { ...options, blocks: 3, middle: 4 }).shape.rank).toBe(2);
    const product = await scrambled(new CanonicalPolyadicLinear(8, 8, { rank: 1 }, build), seed);
    expect(CanonicalPolyadicLinear.fromDense(product, options).rank).toBe(1);
  });
});
