/** `separable bench`: what it prints, what it refuses, and that its counts are right. No timings: those are what it is for. */

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { memory, useBackend } from "../../src/backend/active.ts";
import { viewOf } from "../../src/backend/host-storage.ts";
import { createReferenceBackend } from "../../src/backend/reference/reference-kernels.ts";
import { benchmarks, compulsoryBytes, type Problem, selectBenchmarks, trainingStep } from "../../src/bench/benchmarks.ts";
import { summarize } from "../../src/bench/measure.ts";
import { countMultiplyAdds } from "../../src/bench/multiply-adds.ts";
import { withStepRatios } from "../../src/bench/run-benchmark.ts";
import { prepareWorkload, stepNetwork } from "../../src/bench/workload.ts";
import { ConfigError } from "../../src/core/errors.ts";
import { scope } from "../../src/tensor/scope.ts";
import { runCli } from "./run-cli.ts";

const names = benchmarks.map(({ name }) => name);
const usual = benchmarks.filter(({ onDemand }) => !onDemand).map(({ name }) => name);

beforeEach(() => useBackend(createReferenceBackend()));

const once = ["--backend", "reference", "--repeats", "1", "--min-seconds", "0"];
const onWasm = ["--backend", "wasm", "--threads", "1", "--repeats", "1", "--min-seconds", "0"];
const quick = ["dispatch-1k", "gemm-256", "relu-1m-fwdbwd"];

describe("separable bench", () => {
  it("prints one JSON array of rows, and nothing else, with --json", async () => {
    const { code, stdout, stderr } = await runCli(["bench", ...once, "--json", "--only", ...quick]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const rows: Record<string, unknown>[] = JSON.parse(stdout);
    expect(rows.map(({ name }) => name)).toEqual(names.filter((name) => quick.includes(name)));
    for (const row of rows) {
      expect(row).toMatchObject({ backend: "reference", threads: 1, repeats: 1, machine: { node: process.version, simd: "none" } });
      expect(row.ms).toBeGreaterThan(0);
      expect(row.minMs).toBe(row.ms);
      expect(row.maxMs).toBe(row.ms);
      expect(row.peakBytes).toBeGreaterThan(0);
      expect(row.gflops !== 0).toBe(row.name === "gemm-256");
      expect("gigabytesPerSecond" in row).toBe(row.name === "relu-1m-fwdbwd");
    }
  });

  it("prints a table with a line for each benchmark otherwise", async () => {
    const { stdout } = await runCli(["bench", ...once, "--only", ...quick]);
    for (const name of quick) expect(stdout.split("\n").filter((line) => line.includes(name))).toHaveLength(1);
    expect(stdout).toContain("reference, 1 thread");
  });

  it("reports as peak the operands and the results that are held together", async () => {
    const { stdout } = await runCli(["bench", ...once, "--json", "--only", "gemm-256"]);
    const [row] = JSON.parse(stdout);
    // A, B, C and the element that is read.
    expect(row.peakBytes).toBe(4 * (3 * 256 ** 2 + 1));
  });

  it.each([
    ["--only", "gemm-2048", /--only must be one of gemm-256, .*got "gemm-2048"/],
    ["--only", "256", /got "256"/],
    ["--threads", "0", /--threads must be an integer in \[1, 64\], got "0"/],
    ["--threads", "two", /--threads must be an integer in \[1, 64\], got "two"/],
    ["--threads", "2", /--threads must be 1 on the reference backend/],
    ["--backend", "webgl", /--backend must be one of auto, gpu, webgpu, .*, wasm, reference, got "webgl"/],
    ["--repeats", "1.5", /--repeats must be an integer in \[1, 1000000\]/],
    ["--min-seconds", "-1", /--min-seconds must be a number in \[0, 86400\]/],
    ["--reps", "3", /unknown option/],
  ])("refuses %s %s with one line and exit code 1", async (option, value, message) => {
    const { code, stdout, stderr } = await runCli(["bench", "--backend", "reference", `${option}=${value}`]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toMatch(/^separable: ConfigError: .*\n$/);
    expect(stderr).toMatch(message);
  });
});

describe("bench --profile", () => {
  let folder = "";
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "separable-profile-"));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it("profiles the training step of WRN-10-1, and writes its trace", async () => {
    const trace = join(folder, "trace.json");
    const { code, stdout } = await runCli(["bench", ...onWasm, "--profile", "1", "--json", "--trace", trace]);
    expect(code).toBe(0);
    const [row] = JSON.parse(stdout);
    expect(row).toMatchObject({ name: "wrn-10-1-profile-b1", backend: "wasm", repeats: 1, machine: { node: process.version } });
    const { kernels, layers } = row.profile;
    const called = (rows: { name: string; calls: number }[], name: string): number | undefined =>
      rows.find((each) => each.name === name)?.calls;
    // 9 convolutions: the stem, two in each of three blocks, two shortcuts. The images need no gradient.
    expect(called(kernels, "conv2d")).toBe(9);
    expect(called(kernels, "conv2dWeightGradient")).toBe(9);
    expect(called(kernels, "conv2dInputGradient")).toBe(8);
    expect(called(layers, "block3.0.layer.0.convShortcut")).toBe(3);
    const total = (rows: { share: number }[]): number => rows.reduce((sum, { share }) => sum + share, 0);
    // Shares have five digits.
    const between = row.profile.betweenKernelsMs / row.profile.ms;
    expect(total(kernels) + between).toBeCloseTo(1, 3);
    expect(total(layers) + between).toBeCloseTo(1, 3);
    const { traceEvents } = JSON.parse(await readFile(trace, "utf8"));
    const calls = kernels.reduce((sum: number, each: { calls: number }) => sum + each.calls, 0);
    expect(traceEvents.filter(({ ph, args }: { ph: string; args: object }) => ph === "X" && "bytes" in args)).toHaveLength(calls);
  });

  it("profiles each benchmark of --only, and prints a line for each kernel", async () => {
    const { code, stdout } = await runCli(["bench", ...once, "--profile", "--only", "gemm-256", "relu-1m-fwdbwd"]);
    expect(code).toBe(0);
    for (const part of [/^gemm-256: one repetition takes/m, /^ *matmul +1 /m, /^ *unary relu +1 /m, /^ *binary reluGradient +1 /m])
      expect(stdout).toMatch(part);
  });

  it.each([
    ["--trace t.json", /bench: --trace needs --profile, got --trace alone; add --profile/],
    ["--profile --structured", /bench: --profile and --structured measure different things, got both/],
    ["--profile 8 --only gemm-256", /bench: --profile must have no number with --only, because a benchmark has its own batch, got 8/],
    ["--profile --trace no-such-folder/t.json --only gemm-256", /DataError: write: no-such-folder.t\.json must be writable, got ENOENT/],
  ])("refuses %s", async (options, message) => {
    const { code, stderr } = await runCli(["bench", ...once, ...options.split(" ")]);
    expect(code).toBe(1);
    expect(stderr).toMatch(message);
  });
});

describe("training steps of structured networks", () => {
  const steps = benchmarks.flatMap(({ name, problem }) => (problem.kind === "trainingStep" ? [{ name, problem }] : []));

  it("are measured for every family of the list", () => {
    for (const conv of ["Sep", "Generic_0.25", "Monarch_4", "BlockTensorTrain_2", "TensorTrain_0.5", "ACDC_3", "Butterfly", "Shuffle_4"])
      expect(usual).toContain(`wrn-16-2-${conv}-step-b32`);
    expect(usual).toContain("wrn-10-1-Sep-step-b32");
  });

  it("run the network of their name", () => {
    for (const { name, problem } of steps) expect(name.includes(`-${problem.convolution}-`)).toBe(problem.convolution !== "Conv");
    const network = stepNetwork(steps.find(({ name }) => name === "wrn-16-2-Sep-step-b32")!.problem);
    // Each convolution I → O of a block has a window of 9·I and a map of O·I; each norm has 2 parameters a channel.
    const convolutionOf = (from: number, to: number): number => 9 * from + from * to;
    const group = (from: number, to: number): number =>
      [2 * from + convolutionOf(from, to), 2 * to + convolutionOf(to, to), from * to, 2 * (2 * to + convolutionOf(to, to))].reduce(
        (x, y) => x + y,
      );
    expect(network.parameterCount()).toBe(3 * 16 * 9 + group(16, 32) + group(32, 64) + group(64, 128) + 2 * 128 + 128 * 10 + 10);
    network.dispose();
  });

  it("have the ratios of their time to those of Conv and Sep of the same network, where these were measured", () => {
    const grid = [10, 16].flatMap((depth) =>
      [1, 2].flatMap((width) =>
        [8, 32].flatMap((batch) => ["Conv", "Sep", "ACDC_3"].map((conv) => trainingStep(depth, width, batch, conv))),
      ),
    );
    const names = grid.map(({ name }) => name);
    const times = fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: names.length, maxLength: names.length });
    fc.assert(
      fc.property(fc.subarray(names, { minLength: 1 }), times, (chosen, measured) => {
        const rows = withStepRatios(
          chosen.map((name, i) => ({ name, ms: measured[i]! })),
          grid,
        );
        for (const { name, ms, overConv, overSep } of rows) {
          const [plain, sep] = [name.replace(/(Sep|ACDC_3)-/, ""), name.replace("ACDC_3", "Sep")];
          // A ratio has five digits.
          const over = (other: string): number | undefined => {
            const at = chosen.indexOf(other);
            return at === -1 || name === other || name === plain ? undefined : Number((ms / measured[at]!).toPrecision(5));
          };
          expect([overConv, overSep]).toEqual([over(plain), over(sep)]);
        }
      }),
    );
  });
});

describe("selectBenchmarks", () => {
  it("has each of the names that other pages refer to once", () => {
    for (const name of [
      ...["gemm-256", "gemm-512", "gemm-1024", "conv3x3-16-32-hw32-b32", "conv3x3-16-32-hw32-b32-fwdbwd"],
      ...["conv3x3-64-64-hw16-b64", "conv3x3-64-64-hw16-b64-fwdbwd", "depthwise3x3-32-hw32-b32-fwdbwd"],
      ...["batchnorm-1m-fwdbwd", "relu-1m-fwdbwd", "wrn-10-1-step-b32", "wrn-16-2-step-b32", "wrn-16-2-step-b128"],
    ])
      expect(names.filter((other) => other === name)).toEqual([name]);
    expect(selectBenchmarks(undefined).map(({ name }) => name)).toEqual(usual);
    expect(usual).not.toContain("wrn-16-2-step-b128");
  });

  it("selects exactly the benchmarks that are named in full, in the order of the list", () => {
    fc.assert(
      fc.property(fc.shuffledSubarray(names, { minLength: 1 }), (only) => {
        expect(selectBenchmarks(only).map(({ name }) => name)).toEqual(names.filter((name) => only.includes(name)));
      }),
    );
  });

  it("takes a prefix for every usual name that starts with it, and * for any text", () => {
    const cut = fc.constantFrom(...usual).chain((name) => fc.tuple(fc.constant(name), fc.nat({ max: name.length - 1 })));
    fc.assert(
      fc.property(cut, ([name, at]) => {
        const [head, tail] = [name.slice(0, at), name.slice(at)];
        if (head !== "" && !names.includes(head))
          expect(selectBenchmarks([head]).map((b) => b.name)).toEqual(usual.filter((other) => other.startsWith(head)));
        const fitting = usual.filter((other) => other.length >= name.length && other.startsWith(head) && other.endsWith(tail));
        expect(selectBenchmarks([`${head}*${tail}`]).map((b) => b.name)).toEqual(fitting);
      }),
    );
  });

  it("takes the step of any network by its full name, after those of the list", () => {
    const convolutions = fc.constantFrom("Conv", "Sep", "HashedSeparable_0.2", "MatrixTensorTrain_8_2", "LR_0.1");
    const size = fc.integer({ min: 1, max: 99 });
    fc.assert(
      fc.property(size, size, size, convolutions, (depth, width, batch, convolution) => {
        const step = trainingStep(depth, width, batch, convolution);
        fc.pre(!names.includes(step.name));
        expect(selectBenchmarks([step.name, "gemm-256"])).toEqual([...selectBenchmarks(["gemm-256"]), step]);
      }),
    );
    expect(() => selectBenchmarks(["wrn-10-1-Lr_0.1-step-b8"])).toThrow(ConfigError);
    expect(() => selectBenchmarks(["wrn-10-1-step-b0"])).toThrow(
      /or wrn-<depth>-<width>-<convolution>-step-b<images>, got "wrn-10-1-step-b0"/,
    );
  });

  it("takes any number of stars, each for any characters", () => {
    // The parts may not share characters: `gemm-256` has the beginning and the end of this pattern, and too few characters between.
    expect(() => selectBenchmarks(["gemm-25*256"])).toThrow(ConfigError);
    const pieces = fc.constantFrom("*", "**", "gemm", "-", "256", "conv3x3", "16", "fwdbwd", "wrn", "2", "b32", "m");
    fc.assert(
      fc.property(fc.array(pieces, { minLength: 1, maxLength: 6 }), (parts) => {
        const wanted = parts.join("");
        fc.pre(wanted.includes("*"));
        const pattern = new RegExp(`^${wanted.replaceAll("*", ".*")}$`);
        const expected = usual.filter((name) => pattern.test(name));
        if (expected.length === 0) expect(() => selectBenchmarks([wanted])).toThrow(ConfigError);
        else expect(selectBenchmarks([wanted]).map(({ name }) => name)).toEqual(expected);
      }),
      { numRuns: 500 },
    );
  });

  it("refuses a text that matches no name", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 12 }), (text) => {
        fc.pre(!text.includes("*") && !names.some((name) => text !== "" && name.startsWith(text)));
        expect(() => selectBenchmarks([text])).toThrow(ConfigError);
      }),
    );
  });
});

const small = fc.integer({ min: 1, max: 5 });
const problems: fc.Arbitrary<Problem> = fc.oneof(
  fc.record({ kind: fc.constant("gemm" as const), size: small }),
  fc
    .record({ batch: small, perGroupIn: small, perGroupOut: small, size: small, groups: small, backward: fc.boolean() })
    .map(({ perGroupIn, perGroupOut, groups, ...rest }) => ({
      kind: "convolution" as const,
      inChannels: perGroupIn * groups,
      outChannels: perGroupOut * groups,
      groups,
      ...rest,
    })),
  fc.record({ kind: fc.constant("batchNorm" as const), batch: small, channels: small, size: small }),
  fc.record({ kind: fc.constant("relu" as const), length: small }),
  fc.record({ kind: fc.constant("dispatch" as const), count: small }),
);

/** Multiply-adds by walking every one of them. */
function countedByHand(problem: Problem): number {
  let count = 0;
  if (problem.kind === "gemm") for (let i = 0; i < problem.size ** 2; i++) for (let k = 0; k < problem.size; k++) count++;
  if (problem.kind === "convolution") {
    const { batch, inChannels, outChannels, size, groups, backward } = problem;
    for (let n = 0; n < batch; n++)
      for (let o = 0; o < outChannels; o++)
        for (let c = 0; c < inChannels; c++)
          if (Math.floor((o * groups) / outChannels) === Math.floor((c * groups) / inChannels)) count += size * size * 9;
    if (backward) count *= 3;
  }
  return count;
}

describe("a workload", () => {
  it("runs as many multiply-adds as its problem has", () => {
    fc.assert(
      fc.property(problems, (problem) => {
        const workload = prepareWorkload(problem);
        expect(countMultiplyAdds(() => scope(() => void workload.run()))).toBe(countedByHand(problem));
        workload.dispose();
      }),
    );
  });

  it("holds as much memory after every repetition, and none after it is disposed", () => {
    fc.assert(
      fc.property(problems, (problem) => {
        const workload = prepareWorkload(problem);
        const before = memory();
        for (let repetition = 0; repetition < 2; repetition++) {
          scope(() => void workload.run());
          expect(memory()).toMatchObject({ storages: before.storages, used: before.used });
        }
        workload.dispose();
        expect(memory()).toMatchObject({ storages: 0, used: 0 });
      }),
    );
  });
});

describe("a training step", () => {
  it("lowers the loss, holds no more memory afterwards, and costs three forward passes without the gradient of the images", () => {
    const workload = prepareWorkload({ kind: "trainingStep", depth: 10, width: 1, batch: 1, convolution: "Conv" });
    const before = memory();
    const losses: number[] = [];
    const step = (): void => {
      const [loss] = scope(() => workload.run());
      losses.push(viewOf(loss!.storage)[0]!);
      loss!.dispose();
    };
    const stem = 3 * 16 * 9 * 32 ** 2;
    const group = (from: number, to: number, size: number): number =>
      (from * to * 9 + to * to * 9 + (from === to ? 0 : from * to)) * size ** 2;
    const rest = group(16, 16, 32) + group(16, 32, 16) + group(32, 64, 8) + 64 * 10;
    expect(countMultiplyAdds(step)).toBe(2 * stem + 3 * rest);
    step();
    expect(losses[1]).toBeLessThan(losses[0]!);
    expect(memory()).toMatchObject({ storages: before.storages, used: before.used });
    workload.dispose();
    expect(memory()).toMatchObject({ storages: 0, used: 0 });
  });
});

describe("compulsoryBytes", () => {
  it("counts five passes over a million float32 for both elementwise benchmarks, and none for the others", () => {
    const bytes = Object.fromEntries(benchmarks.map(({ name, problem }) => [name, compulsoryBytes(problem)]));
    expect(bytes["relu-1m-fwdbwd"]).toBe(5 * 4 * 2 ** 20);
    expect(bytes["batchnorm-1m-fwdbwd"]).toBe(5 * 4 * 2 ** 20);
    expect(bytes["gemm-256"]).toBeUndefined();
  });
});

describe("summarize", () => {
  it("gives a median with as many samples on either side, and extremes that enclose all samples", () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { minLength: 1 }), (samples) => {
        const { medianMs, minMs, maxMs, repeats } = summarize(samples);
        expect(repeats).toBe(samples.length);
        expect([minMs, maxMs]).toEqual([Math.min(...samples), Math.max(...samples)]);
        expect(samples.filter((s) => s < medianMs).length).toBeLessThanOrEqual(samples.length / 2);
        expect(samples.filter((s) => s > medianMs).length).toBeLessThanOrEqual(samples.length / 2);
        expect(medianMs).toBeGreaterThanOrEqual(minMs);
        expect(medianMs).toBeLessThanOrEqual(maxMs);
      }),
    );
  });
});
