/**
 * The decisions that the wasm backend makes by figures: which calls the team shares, and into which blocks, bands and chunks a call is
 * divided. The kernels are replaced by a recorder, so nothing is computed. The expected numbers are worked out by hand.
 */

import { beforeEach, describe, expect, test } from "vitest";
import { structs } from "../../../src/backend/wasm/generated/structs.ts";
import { ArenaMemory, type ArenaStorage } from "../../../src/backend/wasm/host/arena-memory.ts";
import { batchNormKernels } from "../../../src/backend/wasm/host/batch-norm.ts";
import { convolutionKernels } from "../../../src/backend/wasm/host/convolution.ts";
import { cosineTransformKernels } from "../../../src/backend/wasm/host/cosine-transform.ts";
import { elementwiseKernels } from "../../../src/backend/wasm/host/elementwise.ts";
import type { KernelExports } from "../../../src/backend/wasm/host/kernel-exports.ts";
import { layoutKernels } from "../../../src/backend/wasm/host/layout.ts";
import type { Machine } from "../../../src/backend/wasm/host/machine.ts";
import { matmulKernels } from "../../../src/backend/wasm/host/matmul.ts";
import { optimiserKernels } from "../../../src/backend/wasm/host/optimiser.ts";
import { reductionKernels } from "../../../src/backend/wasm/host/reductions.ts";
import { ThreadTeam } from "../../../src/backend/wasm/host/thread-team.ts";
import { jobAddress } from "../../../src/backend/wasm/shared/sizes.ts";
import { convolutionGeometry } from "../../../src/core/convolution-geometry.ts";

/** One call of a kernel. The last argument of most kernels says whether the team shares the call. */
interface Call {
  readonly kernel: string;
  readonly args: readonly unknown[];
  /** The job that the first argument points to. It is read during the call, because its memory is free afterwards. */
  readonly job: Readonly<Record<string, number>>;
  /** The planes that the job points to. */
  readonly planes: Readonly<Record<string, number>>;
}

let calls: Call[] = [];
let machine: Machine;

beforeEach(() => {
  calls = [];
  const memory = new ArenaMemory(new WebAssembly.Memory({ initial: 256, maximum: 16_384 }), 2 ** 30);
  const kernels = new Proxy({} as KernelExports, {
    get: (_, kernel) => {
      if (Object.hasOwn(narrowTiles, kernel)) return { value: narrowTiles[kernel as keyof typeof narrowTiles] };
      return (...args: unknown[]) => {
        if (kernel === "matmulScratch") return 64;
        const name = jobs[kernel as string];
        const job = name === undefined ? {} : read(name, name === "MatmulJob" ? jobAddress : (args[0] as number));
        calls.push({ kernel: kernel as string, args, job, planes: job.planes === undefined ? {} : read("Planes", job.planes) });
        return undefined;
      };
    },
  });
  machine = { kernels, memory, team: new ThreadTeam(1) };
});

/** The tiles of the builds with 128-bit vectors. */
const narrowTiles = { gemmRows: 4, gemmColumns: 8, convRun: 4 } as const;

type StructName = keyof typeof structs;

const jobs: Readonly<Record<string, StructName>> = {
  matmul: "MatmulJob",
  correlate: "CorrelateJob",
  weightGradient: "WeightGradientJob",
  depthwise: "DepthwiseJob",
  cosineTransform: "CosineJob",
};

/** The fields of a structure of integers at an address. */
const read = (name: StructName, address: number): Record<string, number> =>
  Object.fromEntries(Object.keys(structs[name]).map((field, i) => [field, machine.memory.integers[address / 4 + i]!]));

const floats = (length: number): ArenaStorage => machine.memory.allocate("float32", length);

const product = (m: number, n: number, { batch = 1, k = 10 } = {}) =>
  ({ batch, m, k, n, transposeA: false, transposeB: false, batchStrideA: m * k, batchStrideB: k * n }) as const;
const matmul = (m: number, n: number, { batch = 1, k = 10 } = {}) =>
  matmulKernels(machine).matmul(floats(batch * m * k), floats(batch * k * n), product(m, n, { batch, k }));

interface Convolution {
  readonly batch?: number;
  readonly channels: number;
  readonly out: number;
  readonly side: number;
  /** The window is 1×1, or 3×3 with the padding 1. */
  readonly kernel?: 1 | 3;
  readonly groups?: number;
}

type ConvolutionKernel = "conv2d" | "conv2dInputGradient" | "conv2dWeightGradient";

function convolve(kernel: ConvolutionKernel, { batch = 1, channels, out, side, kernel: k = 1, groups = 1 }: Convolution): void {
  const shapes = [
    [batch, channels, side, side],
    [out, channels / groups, k, k],
  ] as const;
  const geometry = convolutionGeometry("test", ...shapes, { padding: (k - 1) / 2, groups });
  const x = floats(batch * channels * side * side);
  const w = floats((out * channels * k * k) / groups);
  const y = floats(batch * out * side * side);
  const [a, b] = { conv2d: [x, w], conv2dInputGradient: [y, w], conv2dWeightGradient: [x, y] }[kernel] as [ArenaStorage, ArenaStorage];
  convolutionKernels(machine)[kernel](a, b, geometry);
}

const cosineTransform = (n: number, columns: number) =>
  cosineTransformKernels(machine, matmulKernels(machine)).cosineTransform(floats(n * columns), false, {
    outer: 1,
    axis: n,
    inner: columns,
  });

describe("the team shares", () => {
  /** Calls by the number of elements that each one goes through. */
  const byElements: Record<string, (length: number) => unknown> = {
    unary: (n) => elementwiseKernels(machine).unary("exp", floats(n)),
    clamp: (n) => elementwiseKernels(machine).clamp(floats(n), 0, 1),
    select_: (n) => elementwiseKernels(machine).select(floats(n), floats(n), floats(n)),
    binary: (n) => elementwiseKernels(machine).binary("add", floats(n), floats(n), { shape: [n], stridesA: [1], stridesB: [1] }),
    reduce: (n) => reductionKernels(machine).reduce("sum", floats(n), { outer: 1, axis: n, inner: 1 }),
    fill: (n) => layoutKernels(machine).full("float32", n, 1),
    moveView: (n) => layoutKernels(machine).readView(floats(n), { shape: [n], strides: [-1], offset: n - 1 }),
    normalise: (n) => batchNormKernels(machine).batchNorm(floats(n), floats(1), floats(1), { batch: 1, channels: 1, inner: n, epsilon: 0 }),
    normaliseGradient: (n) =>
      batchNormKernels(machine).batchNormGradient(floats(n), floats(1), floats(1), floats(1), floats(n), {
        batch: 1,
        channels: 1,
        inner: n,
        epsilon: 0,
      }),
    sgdUpdate: (n) => {
      const entry = { parameter: floats(n), gradient: floats(n), momentum: undefined, learningRate: 1, weightDecay: 0 };
      return optimiserKernels(machine).sgdUpdate([entry], { momentum: 0, nesterov: false, first: true });
    },
    adamUpdate: (n) => {
      const moments = { mean: floats(n), square: floats(n) };
      const entry = { parameter: floats(n), gradient: floats(n), ...moments, learningRate: 1, weightDecay: 0, step: 1 };
      return optimiserKernels(machine).adamUpdate([entry], { beta1: 0, beta2: 0, epsilon: 1, decoupled: false });
    },
  };

  test.each(Object.keys(byElements))("%s of more than 32,768 elements", (kernel) => {
    for (const [length, shared] of [
      [32_768, false],
      [32_769, true],
    ] as const) {
      calls = [];
      byElements[kernel]!(length);
      expect(calls.map((call) => [call.kernel, call.args.at(-1)])).toEqual([[kernel, shared]]);
    }
  });

  /** The kernels that a call runs, and the call with 100,000 operations and with a few more. */
  const byWork: Record<string, readonly [kernels: readonly string[], few: () => unknown, more: () => unknown]> = {
    // 2·50·10·100 = 100,000.
    matmul: [["matmul"], () => matmul(50, 100), () => matmul(50, 101)],
    // 2·5·100·10² = 100,000.
    conv2d: [
      ["packWeights", "correlate"],
      () => convolve("conv2d", { channels: 5, out: 100, side: 10 }),
      () => convolve("conv2d", { channels: 5, out: 101, side: 10 }),
    ],
    conv2dInputGradient: [
      ["packWeights", "correlate"],
      () => convolve("conv2dInputGradient", { channels: 5, out: 100, side: 10 }),
      () => convolve("conv2dInputGradient", { channels: 5, out: 101, side: 10 }),
    ],
    conv2dWeightGradient: [
      ["weightGradient"],
      () => convolve("conv2dWeightGradient", { channels: 5, out: 100, side: 10 }),
      () => convolve("conv2dWeightGradient", { channels: 5, out: 101, side: 10 }),
    ],
    // 2·500·10² = 100,000.
    "depthwise conv2d": [
      ["depthwise"],
      () => convolve("conv2d", { channels: 500, out: 500, groups: 500, side: 10 }),
      () => convolve("conv2d", { channels: 501, out: 501, groups: 501, side: 10 }),
    ],
    "depthwise conv2dWeightGradient": [
      ["depthwiseWeightGradient"],
      () => convolve("conv2dWeightGradient", { channels: 500, out: 500, groups: 500, side: 10 }),
      () => convolve("conv2dWeightGradient", { channels: 501, out: 501, groups: 501, side: 10 }),
    ],
    // A column of length 1 takes one operation, which counts twice: 2·50,000.
    cosineTransform: [["cosineTransform"], () => cosineTransform(1, 50_000), () => cosineTransform(1, 50_001)],
  };

  test.each(Object.keys(byWork))("%s of more than 100,000 operations", (name) => {
    const [kernels, few, more] = byWork[name]!;
    for (const [call, shared] of [
      [few, false],
      [more, true],
    ] as const) {
      calls = [];
      call();
      expect(calls.map((made) => [made.kernel, made.args.at(-1)])).toEqual(kernels.map((kernel) => [kernel, shared]));
    }
  });
});

describe("a call is divided", () => {
  test.each([
    // Blocks of 128 rows share one packed B from three of them on. Then a block has up to 1024 columns, and otherwise up to 512.
    [2000, 2000, 1, 128, 1024],
    [1000, 1000, 1, 128, 1000],
    [256, 2048, 1, 128, 512],
    [64, 64, 8, 64, 64],
    // Otherwise the wider side is halved until there are eight blocks.
    [128, 512, 1, 64, 128],
    [8, 1024, 1, 8, 128],
    [256, 1024, 1, 128, 256],
    // No block gets fewer than 32 rows or 64 columns by halving.
    [64, 64, 1, 32, 64],
    [4, 256, 1, 4, 64],
    [512, 8, 1, 64, 8],
    // Blocks are whole tiles of 4×8.
    [5, 9, 1, 8, 16],
  ])("a product of [%d,k]·[k,%d], %d times, into blocks of %d×%d", (m, n, batch, rows, columns) => {
    matmul(m, n, { batch });
    expect([calls.at(-1)!.job.blockM, calls.at(-1)!.job.blockN]).toEqual([rows, columns]);
  });

  test("a convolution into bands: eight chunks or more, none of them larger than 512 KiB, and with at least four rows", () => {
    const bandRows = (batch: number, channels: number, side: number): number => {
      convolve("conv2d", { batch, channels, out: 1, side, kernel: 3 });
      return calls.at(-1)!.job.bandRows!;
    };
    // Eight chunks: ⌈8/batch⌉ bands of an image, but no band of fewer than four rows.
    expect([1, 2, 3, 8, 9].map((batch) => bandRows(batch, 16, 32))).toEqual([4, 8, 11, 32, 32]);
    expect(bandRows(1, 16, 8)).toBe(4);
    // A row of a padded plane has 28 + 2 pixels in 120 bytes. 512 KiB hold 8 rows of 512 channels, and 2 of them are the padding.
    expect(bandRows(8, 512, 28)).toBe(6);
    // Of 2048 channels 512 KiB hold 2 rows, but no band has fewer than four rows.
    expect(bandRows(2, 2048, 28)).toBe(4);
  });

  test("planes that lie a multiple of 1 KiB apart are copied with a wider pitch from nine channels on", () => {
    const planes = (batch: number, channels: number, side: number) => {
      convolve("conv2d", { batch, channels, out: 1, side });
      const { direct, pitch } = calls.at(-1)!.planes;
      return { direct, pitch };
    };
    // 16·16·4 = 1024 bytes.
    expect(planes(8, 9, 16)).toEqual({ direct: 0, pitch: 20 });
    expect(planes(8, 8, 16)).toEqual({ direct: 1, pitch: 16 });
    // A band of 4 rows has 256 bytes, so its copy needs no wider pitch.
    expect(planes(1, 9, 16)).toEqual({ direct: 0, pitch: 16 });
    // 12·12·4 = 576 bytes, and 16·12·4 = 768 bytes.
    expect(planes(8, 9, 12)).toEqual({ direct: 1, pitch: 12 });
  });

  test("a weight gradient into tiles, ranges of images and splits of the output channels", () => {
    const parts = (batch: number, channels: number, out: number, side: number, kernel: 1 | 3 = 3): readonly unknown[] => {
      convolve("conv2dWeightGradient", { batch, channels, out, side, kernel });
      const { args, job } = calls.find(({ kernel }) => kernel === "weightGradient")!;
      calls = [];
      return [job.imagesAtOnce, args[1], job.blocksPerSplit, job.splits];
    };
    // An image of 8×8 has 16 vectors of pixels, so 4 images make a tile of 64 vectors. The gradient has 1 KiB: 32 ranges are allowed.
    expect(parts(64, 16, 16, 8, 1)).toEqual([4, 16, 4, 1]);
    // 36·96·75 bytes are fewer than 256 KiB, and 36·96·76 bytes are more. Then there are at most 8 ranges in place of 32.
    expect(parts(512, 96, 75, 4)).toEqual([16, 32, 19, 1]);
    expect(parts(512, 96, 76, 4)).toEqual([16, 8, 19, 1]);
    // A padded image of 512 channels has 4·512·6·6 bytes. 512 KiB hold 7 of them.
    expect(parts(64, 512, 4, 4)).toEqual([7, 10, 1, 1]);
    // One range of images alone: 16 blocks of output channels are split into 8. Three ranges: into ⌈8/3⌉ = 3.
    // (At 3×3, the cases with a 1 at their end are computed by Winograd's algorithm.)
    expect(parts(1, 16, 64, 8, 1)).toEqual([1, 1, 2, 8]);
    expect(parts(3, 16, 64, 32, 1)).toEqual([1, 3, 6, 3]);
  });

  test("a weight gradient lists the vectors of rows that are whole vectors and shorter than 32 pixels", () => {
    const listed = (side: number): number => {
      convolve("conv2dWeightGradient", { channels: 1, out: 1, side, kernel: 3 });
      return calls.at(-1)!.job.runCount!;
    };
    expect([28, 30, 32].map(listed)).toEqual([28 * 7, 0, 0]);
  });

  test("a depthwise convolution into chunks of 50,000 operations or more", () => {
    const planesPerChunk = (side: number): number => {
      convolve("conv2d", { batch: 2, channels: 8, out: 8, groups: 8, side, kernel: 3 });
      return calls.at(-1)!.job.planesPerChunk!;
    };
    // A plane takes 18·side² operations: 4608, 18,432 and 73,728.
    expect([16, 32, 64].map(planesPerChunk)).toEqual([11, 3, 1]);
  });

  test("a cosine transform into chunks of 16,384 elements or more, in blocks of 16 columns", () => {
    const blocksPerChunk = (n: number): number => {
      cosineTransform(n, 64);
      return calls.at(-1)!.job.blocksPerChunk!;
    };
    expect([16, 1000, 1024].map(blocksPerChunk)).toEqual([64, 2, 1]);
  });

  test("a broadcast into rows of one chunk of 16,384 elements", () => {
    const rows = (shape: number[], strides: number[]): unknown[] => {
      const length = shape.reduce((a, b) => a * b);
      elementwiseKernels(machine).binary("add", floats(length), floats(length), { shape, stridesA: strides, stridesB: strides });
      const [, , , , inner, count, , rowsPerChunk] = calls.at(-1)!.args;
      return [inner, count, rowsPerChunk];
    };
    expect(rows([50_000], [1])).toEqual([16_384, 4, 1]);
    expect(rows([40, 1000], [1000, 1])).toEqual([1000, 40, 16]);
    expect(rows([2, 20_000], [20_000, 1])).toEqual([20_000, 2, 1]);
  });
});

describe("the arena grows", () => {
  const mebi = 2 ** 20;
  const reserved = (): number => machine.memory.report().reserved / mebi;

  test("by 16 MiB, by a quarter, or by what is asked for, whichever is most", () => {
    expect(reserved()).toBe(16);
    // The arena keeps its first page and a guard, so 16 MiB do not fit into it.
    floats(4 * mebi);
    expect(reserved()).toBe(32);
    floats(25 * mebi);
    // 16 MiB are in use. With 100 MiB more, the first page and the guard, 116 MiB are needed, in whole pages.
    expect(reserved()).toBe(116 + 2 / 16);
    floats(4 * mebi);
    // A quarter of 1858 pages is 464.5 pages.
    expect(reserved()).toBe((1858 + 465) / 16);
  });

  test("exactly by what is asked for where the limit is near", () => {
    const memory = new ArenaMemory(new WebAssembly.Memory({ initial: 256, maximum: 320 }), 20 * mebi);
    memory.allocate("float32", 4 * mebi);
    expect(memory.report().reserved).toBe(16 * mebi + 2 * 65_536);
  });
});
