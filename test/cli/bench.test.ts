/** `separable bench`: what it prints, what it refuses, and that its counts are right. No timings: those are what it is for. */

import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import { memory, useBackend } from "../../src/backend/active.ts";
import { viewOf } from "../../src/backend/host-storage.ts";
import { createReferenceBackend } from "../../src/backend/reference/reference-kernels.ts";
import { benchmarks, compulsoryBytes, type Problem, selectBenchmarks } from "../../src/bench/benchmarks.ts";
import { summarize } from "../../src/bench/measure.ts";
import { countMultiplyAdds } from "../../src/bench/multiply-adds.ts";
import { prepareWorkload } from "../../src/bench/workload.ts";
import { ConfigError } from "../../src/core/errors.ts";
import { scope } from "../../src/tensor/scope.ts";
import { runCli } from "./run-cli.ts";

const names = benchmarks.map(({ name }) => name);
const usual = benchmarks.filter(({ onDemand }) => !onDemand).map(({ name }) => name);

beforeEach(() => useBackend(createReferenceBackend()));

const once = ["--backend", "reference", "--repeats", "1", "--min-seconds", "0"];
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
    ["--threads", "0", /--threads must be an integer ≥ 1, got "0"/],
    ["--threads", "two", /--threads must be an integer ≥ 1, got "two"/],
    ["--threads", "2", /--threads must be 1 on the reference backend/],
    ["--backend", "webgl", /--backend must be one of auto, gpu, webgpu, .*, wasm, reference, got "webgl"/],
    ["--repeats", "1.5", /--repeats must be an integer ≥ 1/],
    ["--min-seconds", "-1", /--min-seconds must be a number ≥ 0/],
    ["--reps", "3", /unknown option/],
  ])("refuses %s %s with one line and exit code 1", async (option, value, message) => {
    const { code, stdout, stderr } = await runCli(["bench", "--backend", "reference", `${option}=${value}`]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toMatch(/^separable: ConfigError: .*\n$/);
    expect(stderr).toMatch(message);
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
    const workload = prepareWorkload({ kind: "trainingStep", depth: 10, width: 1, batch: 1 });
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
