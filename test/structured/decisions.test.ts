/** The decisions that maps make by figures. Each oracle is the rule itself, written with integers or by trying every possibility. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { predictedCrossover } from "../../src/bench/structured-benchmark.ts";
import { Random } from "../../src/core/random.ts";
import { Sequential } from "../../src/nn/combinators.ts";
import { Conv2d } from "../../src/nn/conv2d.ts";
import { conv2d } from "../../src/ops/convolution.ts";
import { normal, ones, zeros } from "../../src/ops/creation.ts";
import { parseConvolution } from "../../src/structured/convolution-text.ts";
import { convolutionFactory, createLinear } from "../../src/structured/create-convolution.ts";
import { LowRankLinear } from "../../src/structured/low-rank.ts";
import { SeparableConvolution } from "../../src/structured/separable.ts";
import type { ConvolutionKind, ConvolutionSpec } from "../../src/structured/spec.ts";
import type { StructuredConvolution } from "../../src/structured/structured-convolution.ts";
import { type Path, StructuredLinear, type Work } from "../../src/structured/structured-linear.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { structuredConfigurations, structuredKinds } from "../arbitraries/structured.ts";
import { expectValues } from "../support/nd-array.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";

onReferenceBackend();

/** What a map costs, and its throughput in tenths. */
interface Figures {
  readonly inputs: number;
  readonly outputs: number;
  readonly perColumn: number;
  readonly perCall: number;
  readonly dense: number;
  readonly tenths: number;
}

/** A map that states figures and remembers the path it was applied on. */
class FiguredMap extends StructuredLinear {
  readonly name = "FiguredMap";
  readonly bias = undefined;
  readonly figures: Figures;
  readonly taken: Path[] = [];

  constructor(figures: Figures) {
    super(figures.inputs, figures.outputs);
    this.figures = figures;
  }

  override get throughput(): number {
    return this.figures.tenths / 10;
  }

  override contract(x: Tensor): Tensor {
    this.taken.push("factorized");
    return zeros([x.shape[0]!, this.outFeatures, x.shape[2]!]);
  }

  toDense(): Tensor {
    this.taken.push("dense");
    return ones([this.outFeatures, this.inFeatures]);
  }

  override contractionCost(): Work {
    return { multiplyAdds: this.figures.perColumn, perCall: this.figures.perCall };
  }

  denseCost(): number {
    return this.figures.dense;
  }
}

/** 10·(E·B + e) − tenths·((m·n − p)·B + C), exactly: the work of the factors less the work of W, in tenths of multiply-adds for all columns. */
function excess({ inputs, outputs, perColumn, perCall, dense, tenths }: Figures, columns: number, passes = 0): bigint {
  const count = BigInt(columns);
  const factors = 10n * (BigInt(perColumn) * count + BigInt(perCall));
  return factors - BigInt(tenths) * (BigInt(inputs * outputs - passes) * count + BigInt(dense));
}

const figures: fc.Arbitrary<Figures> = fc.record({
  inputs: fc.integer({ min: 1, max: 40 }),
  outputs: fc.integer({ min: 1, max: 40 }),
  perColumn: fc.integer({ min: 1, max: 2000 }),
  perCall: fc.integer({ min: 0, max: 5000 }),
  dense: fc.integer({ min: 0, max: 50_000 }),
  tenths: fc.integer({ min: 1, max: 10 }),
});

describe("auto", () => {
  test("takes the factors exactly if E/φ + e/(φ·B) + p ≤ m·n + C/B", () => {
    fc.assert(
      fc.property(figures, fc.integer({ min: 1, max: 3000 }), fc.integer({ min: 0, max: 1000 }), (given, columns, passes) => {
        // Where both sides are equal, the rounding of the division decides. Equality has a test of its own.
        const sign = excess(given, columns, passes);
        fc.pre(sign !== 0n);
        expect(new FiguredMap(given).choose(columns, passes).path).toBe(sign < 0n ? "factorized" : "dense");
      }),
      { numRuns: 2000 },
    );
  });

  test("takes the factors if both cost the same", () => {
    // With φ = 1/2, (6 + 8/4)/(1/2) = 16 = 3·4 + 16/4.
    const equal = { inputs: 3, outputs: 4, perColumn: 6, perCall: 8, dense: 16, tenths: 5 };
    expect(excess(equal, 4)).toBe(0n);
    expect(new FiguredMap(equal).choose(4).path).toBe("factorized");
    expect(new FiguredMap({ ...equal, dense: 15 }).choose(4).path).toBe("dense");
  });

  test("counts an empty call as one column, and gives the figures as its reason", () => {
    const map = new FiguredMap({ inputs: 3, outputs: 4, perColumn: 6, perCall: 8, dense: 16, tenths: 5 });
    expect(map.choose(0)).toEqual({
      path: "factorized",
      reason: "28 against 28 multiply-adds a column at the dense product's throughput, 1 columns",
    });
  });

  test("counts the rows of apply and of forward, and the columns of all images of applyToColumns", () => {
    // The factors pay for fewer than 12 columns.
    const few = { inputs: 4, outputs: 4, perColumn: 20, perCall: 0, dense: 48, tenths: 10 };
    expect([excess(few, 11) < 0n, excess(few, 13) > 0n]).toEqual([true, true]);
    const taken = (apply: (map: FiguredMap) => Tensor): Path => {
      const map = new FiguredMap(few);
      apply(map);
      return map.taken[0]!;
    };
    expect(taken((map) => map.apply(zeros([11, 4])))).toBe("factorized");
    expect(taken((map) => map.apply(zeros([13, 4])))).toBe("dense");
    expect(taken((map) => map.forward(zeros([11, 1, 4])))).toBe("factorized");
    expect(taken((map) => map.forward(zeros([2, 7, 4])))).toBe("dense");
    expect(taken((map) => map.applyToColumns(zeros([11, 4, 1])))).toBe("factorized");
    expect(taken((map) => map.applyToColumns(zeros([2, 4, 7])))).toBe("dense");
  });

  test("of a low-rank map 64 → 64 of rank 20 factorizes below 480 columns and forms W above", () => {
    // 20·128/0.6 + 0 = 64·64 + 20·64·64/B at B = 480.
    const map = new LowRankLinear(64, 64, { rank: 20 }, { random: new Random(0) });
    expect(map.choose(479).path).toBe("factorized");
    expect(map.choose(481).path).toBe("dense");
  });

  test("of a window and a map 32 → 32 forms W, because factors pass over the columns again; of wide or 1×1 convolutions it does not", () => {
    const path = (channels: number, kernel: number): Path => {
      const site = { inChannels: channels, outChannels: channels, kernel };
      const layer = new SeparableConvolution(site, build, () => new LowRankLinear(channels, channels, { rank: channels / 4 }, build));
      return layer.choose(1_000_000).path;
    };
    const build = { random: new Random(0) };
    // n·n/(2·0.6) + 8·2n against n·n: 1365 against 1024 of 32 channels, and 23893 against 25600 of 160, W's own cost apart.
    expect(path(32, 3)).toBe("dense");
    expect(path(32, 1)).toBe("factorized");
    expect(path(160, 3)).toBe("factorized");
  });

  test("a mode other than auto wins over the figures", () => {
    const map = new FiguredMap({ inputs: 2, outputs: 2, perColumn: 100, perCall: 0, dense: 0, tenths: 10 });
    map.mode = "factorized";
    expect(map.choose(100)).toEqual({ path: "factorized", reason: "mode factorized" });
  });

  test("the crossover that the benchmark predicts is the first number of columns at which auto forms W", () => {
    fc.assert(
      fc.property(figures, (given) => {
        const map = new FiguredMap(given);
        const crossover = predictedCrossover(map);
        // The crossover is unknown where rounding decides.
        fc.pre(crossover === null || (excess(given, crossover) !== 0n && excess(given, Math.max(1, crossover - 1)) !== 0n));
        if (crossover === null) expect(excess(given, 10 ** 9) <= 0n).toBe(true);
        else {
          expect(map.choose(crossover).path).toBe("dense");
          if (crossover > 1) expect(map.choose(crossover - 1).path).toBe("factorized");
        }
      }),
      { numRuns: 2000 },
    );
    const equal = new FiguredMap({ inputs: 4, outputs: 4, perColumn: 20, perCall: 0, dense: 48, tenths: 10 });
    expect(equal.choose(12).path).toBe("factorized");
    expect(predictedCrossover(equal)).toBe(13);
  });
});

/** The throughputs that docs/benchmarks.md measured, in tenths. The other families have 6. */
const measuredTenths: Partial<Record<ConvolutionKind, number>> = { ACDC: 4, OriginalACDC: 4, PlainACDC: 4, Butterfly: 4 };

test.each(structuredKinds)("%s decides by its measured throughput", (kind) => {
  fc.assert(
    fc.property(
      structuredConfigurations(kind),
      fc.integer({ min: 1, max: 100_000 }),
      ({ spec, inFeatures, outFeatures, seed }, columns) => {
        const map = createLinear(spec, inFeatures, outFeatures, { random: new Random(seed) }, { init: "variance-preserving" });
        const [work, choice] = [map.contractionCost(), map.choose(columns).path];
        const dense = map.denseCost();
        map.dispose();
        if (work === undefined) {
          expect(choice).toBe("dense");
          return;
        }
        const tenths = measuredTenths[kind] ?? 6;
        const given = { inputs: inFeatures, outputs: outFeatures, perColumn: work.multiplyAdds, perCall: work.perCall, dense, tenths };
        fc.pre(excess(given, columns) !== 0n);
        expect(choice).toBe(excess(given, columns) < 0n ? "factorized" : "dense");
      },
    ),
    { numRuns: 60 },
  );
});

test("a folded convolution has W built once if W is cheaper for any number of columns, and keeps the factors otherwise", () => {
  const site = { inChannels: 8, outChannels: 8, kernel: 1 };
  const build = { random: new Random(0) };
  // Per column 0.6·64 = 38.4 multiply-adds of the factors are as fast as W: rank 2 takes 32, rank 3 takes 48.
  const folded = (rank: number) => new SeparableConvolution(site, build, () => new LowRankLinear(8, 8, { rank }, build)).fold();
  expect(folded(3)).toBeInstanceOf(Conv2d);
  expect(folded(2)).toBeInstanceOf(Sequential);
});

test.each(["Generic_0.5", "LR_0.5", "Monarch_2", "Sep"])("%s pads its 3×3 window on both paths", async (text) => {
  const spec = parseConvolution(text);
  const x = normal([2, 4, 5, 6], new Random(1), { dtype: "float64" });
  for (const mode of ["factorized", "dense"] as const) {
    const build = { random: new Random(0), dtype: "float64" } as const;
    const layer = convolutionFactory(spec, { mode })({ inChannels: 4, outChannels: 8, kernel: 3 }, build);
    const expected = conv2d(x, (layer as StructuredConvolution).toDenseKernel(), { padding: 1 });
    const y = layer.forward(x, { training: false });
    expect(y.shape).toEqual(expected.shape);
    expectValues(await y.data(), await expected.data(), 1e-12);
  }
});

describe("sizes that a spec decides", () => {
  const create = (spec: ConvolutionSpec, inFeatures: number, outFeatures: number) =>
    createLinear(spec, inFeatures, outFeatures, { random: new Random(0) }, { init: "variance-preserving" });
  const shapes = (map: StructuredLinear): Record<string, readonly number[]> =>
    Object.fromEntries([...map.parameters()].map(([name, { shape }]) => [name, shape]));

  test("low rank and tied low rank have the rank ⌊scale·max(in, out)⌋", () => {
    for (const [scale, inputs, outputs, rank] of [
      [0.1, 37, 19, 3],
      [0.1, 19, 39, 3],
      [0.1, 40, 12, 4],
      [0.5, 7, 7, 3],
      [1.5, 4, 6, 9],
    ] as const)
      expect(shapes(create({ kind: "Generic", scale }, inputs, outputs))["lowrank_contract.weight"]![0]).toBe(rank);
    expect(shapes(create({ kind: "LR", scale: 0.3 }, 4, 12))["lowrank.weight"]).toEqual([3, 12, 1, 1]);
  });

  test("BLAST has the rank scale·min(in, out) rounded, at least 1, and the largest common divisor up to `blocks`", () => {
    for (const [scale, blocks, inputs, outputs, b, rank] of [
      [0.25, 4, 10, 40, 2, 3],
      [0.25, 4, 24, 36, 4, 6],
      [0.25, 5, 36, 24, 4, 6],
      [0.2, 6, 12, 18, 6, 2],
      [0.01, 4, 8, 8, 4, 1],
    ] as const)
      expect(shapes(create({ kind: "BLAST", scale, blocks }, inputs, outputs)).U).toEqual([b, outputs / b, rank]);
  });

  test("Monarch lowers its blocks on either side, and its rank fills the narrower side", () => {
    for (const [blocks, inputs, outputs, first, second, rank] of [
      [4, 64, 64, 4, 4, 4],
      [5, 64, 30, 4, 5, 2],
      [4, 6, 9, 3, 3, 1],
      [8, 40, 16, 8, 8, 1],
      [3, 9, 24, 3, 3, 1],
      [2, 7, 10, 1, 2, 4],
      // 20/16 rounds down, and 24/16 rounds up.
      [4, 20, 20, 4, 4, 1],
      [4, 24, 24, 4, 4, 2],
    ] as const) {
      const { left, right } = shapes(create({ kind: "Monarch", blocks }, inputs, outputs));
      expect(left).toEqual([second, outputs / second, first, rank]);
      expect(right).toEqual([first, second, rank, inputs / first]);
    }
  });

  test("a block tensor train has blocks near the square roots, and the rank that its blocks can use", () => {
    for (const [rank, inputs, outputs, blocks, middle, kept] of [
      [2, 64, 64, 8, 8, 2],
      // 10 and 16 are equally near to √160. The smaller one is taken.
      [2, 160, 640, 10, 20, 2],
      [9, 12, 12, 3, 3, 4],
      [3, 7, 8, 1, 2, 3],
    ] as const) {
      const { left, right } = shapes(create({ kind: "BlockTensorTrain", rank }, inputs, outputs));
      expect([left, right]).toEqual([
        [middle, outputs / middle, blocks, kept],
        [blocks, middle, kept, inputs / blocks],
      ]);
    }
  });

  test("a Kronecker sum splits each side near its square root, and has as many terms as its smaller factor has entries", () => {
    for (const [terms, inputs, outputs, b, c] of [
      [3, 64, 32, [3, 4, 8], [3, 8, 8]],
      [9, 6, 4, [4, 2, 2], [4, 2, 3]],
      [5, 7, 7, [1, 1, 1], [1, 7, 7]],
    ] as const)
      expect(shapes(create({ kind: "Kronecker", terms }, inputs, outputs))).toEqual({ B: b, C: c });
  });

  test("a matrix tensor train has near-equal modes, and bonds up to what stands on either side", () => {
    const cores = (rank: number, count: number, inputs: number, outputs: number) =>
      Object.values(shapes(create({ kind: "MatrixTensorTrain", rank, cores: count }, inputs, outputs)));
    expect(cores(5, 3, 64, 8)).toEqual([
      [1, 2, 4, 5],
      [5, 2, 4, 5],
      [5, 2, 4, 1],
    ]);
    expect(cores(50, 3, 64, 8)).toEqual([
      [1, 2, 4, 8],
      [8, 2, 4, 8],
      [8, 2, 4, 1],
    ]);
  });

  test("linear ShuffleNet has the most groups that divide inputs, outputs and bottleneck", () => {
    for (const [groups, inputs, outputs, fitting] of [
      [4, 16, 16, 4],
      [4, 12, 24, 3],
      [5, 16, 16, 4],
      [3, 8, 8, 2],
      [4, 16, 17, 1],
    ] as const) {
      const { "shuffle_gconv1.weight": first, "shuffle_gconv2.weight": second } = shapes(
        create({ kind: "Shuffle", groups }, inputs, outputs),
      );
      expect(first).toEqual([Math.floor(outputs / 4), inputs / fitting, 1, 1]);
      expect(second).toEqual([outputs, Math.floor(outputs / 4) / fitting, 1, 1]);
    }
  });

  test("hashed maps round their budgets down", () => {
    const budget = (spec: ConvolutionSpec): number => shapes(create(spec, 7, 9))["hashed.hashed_weight"]![0]!;
    expect(budget({ kind: "Hashed", fraction: 0.5 })).toBe(31);
    expect(budget({ kind: "SepHashed", fraction: 0.25 })).toBe(15);
    expect(budget({ kind: "HashedDecimate" })).toBe(6);
  });

  test("hashed convolutions share their values between window and map in proportion to their sizes, and round down", () => {
    const budgets = (spec: ConvolutionSpec, inChannels: number, outChannels: number, kernel: number): number[] => {
      const layer = convolutionFactory(spec, { init: "reference" })({ inChannels, outChannels, kernel }, { random: new Random(0) });
      return [...layer.parameters()].flatMap(([name, { shape }]) => (name.endsWith("hashed_weight") ? [shape[0]!] : []));
    };
    // 72 and 128 weights: of ⌊0.2·200⌋ = 40 values the window gets 14.4 and the map 25.6.
    expect(budgets({ kind: "HashedSeparable", fraction: 0.2 }, 8, 16, 3)).toEqual([14, 25]);
    // 90 and 70 weights: of ⌊0.33·160⌋ = 52 values the window gets 29.25 and the map 22.75.
    expect(budgets({ kind: "HashedSeparable", fraction: 0.33 }, 10, 7, 3)).toEqual([29, 22]);
    // 12 and 33 weights of a 2×2 site: of ⌊0.5·45⌋ = 22 values the window gets 5.87 and the map 16.13.
    expect(budgets({ kind: "HashedSeparable", fraction: 0.5 }, 3, 11, 2)).toEqual([5, 16]);
    // A 1×1 site has no window. Its map gets all of ⌊0.5·(7 + 63)⌋ = 35 values.
    expect(budgets({ kind: "HashedSeparable", fraction: 0.5 }, 7, 9, 1)).toEqual([35]);
    expect(shapes(create({ kind: "HashedSeparable", fraction: 0.5 }, 7, 9))["hashed.hashed_weight"]![0]).toBe(35);
    // The other kinds: ⌊16·8·9·0.3⌋, ⌊16·8·9/10⌋, ⌊16·8·0.3⌋, and a tenth less the 72 weights of the window.
    expect(budgets({ kind: "Hashed", fraction: 0.3 }, 8, 16, 3)).toEqual([345]);
    expect(budgets({ kind: "HashedDecimate" }, 8, 16, 3)).toEqual([115]);
    expect(budgets({ kind: "SepHashed", fraction: 0.3 }, 8, 16, 3)).toEqual([38]);
    expect(budgets({ kind: "SepHashedDecimate" }, 8, 16, 3)).toEqual([43]);
  });

  test("Butterfly splits its stages where a column costs least", () => {
    const size = fc.integer({ min: 1, max: 200 });
    fc.assert(
      fc.property(size, size, (inputs, outputs) => {
        const stages = Math.max(1, Math.ceil(Math.log2(Math.max(inputs, outputs))));
        const costs = Array.from({ length: stages }, (_, i) => {
          const block = 2 ** (i + 1);
          const blocks = Math.ceil(inputs / block);
          return blocks * block * block + (i + 1 === stages ? 0 : block * blocks * Math.ceil(outputs / block));
        });
        const map = create({ kind: "Butterfly" }, inputs, outputs);
        expect(map.contractionCost()!.multiplyAdds).toBe(Math.min(...costs));
        map.dispose();
      }),
      { numRuns: 60 },
    );
  });
});
