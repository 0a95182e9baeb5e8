/** `separable bench`: measures kernels and training steps on this machine. */

import type { Command } from "commander";
import { kernels } from "../backend/active.ts";
import type { Simd } from "../backend/wasm/host/simd.ts";
import { type Benchmark, benchmarks, selectBenchmarks, trainingStep } from "../bench/benchmarks.ts";
import { describeMachine, formatMachine } from "../bench/machine.ts";
import { type BenchmarkProfile, profileBenchmark } from "../bench/profile-benchmark.ts";
import { profileStep, type StepProfile } from "../bench/profile-step.ts";
import { type BenchmarkRow, runBenchmark, type StepRatios, withStepRatios } from "../bench/run-benchmark.ts";
import { benchStructured, type StructuredRow, structuredShapes, structuredSpecs, type Times } from "../bench/structured-benchmark.ts";
import { ConfigError } from "../core/errors.ts";
import { type BackendOption, backendHelp, backendRule, isGpuMode } from "../experiment/backend-names.ts";
import { resolveConvolution } from "../experiment/node/load-family.ts";
import { asGpu, describeBackend, startBackend } from "../experiment/node/start-backend.ts";
import { integer, number, path } from "../experiment/rules.ts";
import type { Profile } from "../nn/profile.ts";
import { formatConvolution } from "../structured/convolution-text.ts";
import { argument } from "./argument.ts";
import type { CommandContext } from "./command.ts";
import { formatCount, formatMegabytes, formatMilliseconds, formatPercent, formatTable, plural } from "./format.ts";
import { profileTables, writeTrace } from "./profile-table.ts";
import { progressStyle, startJob } from "./progress.ts";
import { addWasmOptions } from "./setting-options.ts";
import { writeJson } from "./terminal.ts";

/** The default number of images of the profiled training step. */
const profiledImages = 32;

interface BenchOptions {
  readonly only?: readonly string[];
  readonly threads?: number;
  readonly simd?: Simd;
  readonly backend: BackendOption;
  readonly repeats: number;
  readonly minSeconds: number;
  readonly json?: boolean;
  readonly structured?: boolean;
  /** The number of images of the step; true when --profile has no number. */
  readonly profile?: number | true;
  /** The file that gets the trace of the profile. */
  readonly trace?: string;
}

export function benchCommand(command: Command, context: CommandContext): void {
  command.option("--only <names...>", "benchmarks to run: names, prefixes of names, or patterns with *");
  addWasmOptions(command);
  command
    .option("--backend <name>", `the backend to measure: ${backendHelp}`, argument("bench", "--backend", backendRule), "auto")
    .option("--repeats <count>", "minimum number of repetitions", argument("bench", "--repeats", integer({ least: 1, most: 1_000_000 })), 5)
    .option(
      "--min-seconds <seconds>",
      "minimum time spent on each benchmark",
      argument("bench", "--min-seconds", number({ least: 0, most: 86_400 })),
      1,
    )
    .option("--structured", "measure structured convolutions and the dense separable one; --only then names specs such as Shuffle_4")
    .option(
      "--profile [images]",
      `profile a WRN-10-1 training step on so many images (default: ${profiledImages}), or each benchmark of --only: ` +
        "on wasm and reference kernel by kernel and layer by layer, on a backend of gpu.js program by program",
      argument("bench", "--profile", integer({ least: 1, most: 65_536 })),
    )
    .option("--trace <file>", "write the profile as a trace for chrome://tracing and Perfetto too", argument("bench", "--trace", path))
    .option("--json", "print one JSON array of rows")
    .addHelpText(
      "after",
      `\nBenchmarks:\n${benchmarks.map(({ name, onDemand }) => `  ${name}${onDemand ? " (only by its full name)" : ""}\n`).join("")}`,
    )
    .action((options: BenchOptions) => bench(options, context));
}

async function bench(
  { only, threads, simd, backend, json = false, structured = false, profile, trace, ...repetition }: BenchOptions,
  { terminal: { stdout, stderr } }: CommandContext,
): Promise<void> {
  const texts = structured ? (only ?? structuredSpecs) : [];
  const specs = await Promise.all(texts.map(async (text) => formatConvolution(await resolveConvolution(text, { modules: "load" }))));
  const selected = structured ? [] : selectBenchmarks(only);
  if (backend === "reference" && threads !== undefined && threads !== 1)
    throw new ConfigError(`bench: --threads must be 1 on the reference backend, which has one thread, got ${threads}`);
  if (threads !== undefined && (backend === "gpu" || isGpuMode(backend)))
    throw new ConfigError(`bench: --threads belongs to --backend wasm, got --backend ${backend}`);
  if (profile !== undefined && structured)
    throw new ConfigError("bench: --profile and --structured measure different things, got both; leave out one");
  if (typeof profile === "number" && only !== undefined)
    throw new ConfigError(`bench: --profile must have no number with --only, because a benchmark has its own batch, got ${profile}`);
  if (trace !== undefined && profile === undefined)
    throw new ConfigError("bench: --trace needs --profile, got --trace alone; add --profile");
  const chosen = await startBackend({ backend, threads, simd });
  const gpu = asGpu(kernels());
  const machine = describeMachine(kernels(), gpu?.adapter);
  if (profile !== undefined && gpu !== undefined)
    for (const [name, value] of Object.entries({ only, trace }))
      if (value !== undefined)
        throw new ConfigError(
          `bench: --profile measures one training step alone on ${describeBackend(chosen)}, got --${name} too; ` +
            "leave it out, or choose --backend wasm",
        );
  const images = typeof profile === "number" ? profile : profiledImages;
  const profiled = profile === undefined || gpu !== undefined ? [] : only === undefined ? [profiledStep(images)] : selected;
  const total = structured ? specs.length * structuredShapes.length : selected.length;
  const job = startJob(stderr, progressStyle(stderr, !json), { label: "bench", total });
  const [measured, tables]: [object[], string[]] = [[], []];
  const add = <Row extends object>(rows: readonly Row[], table: (rows: readonly Row[]) => string): void => {
    measured.push(...rows);
    tables.push(table(rows));
  };
  try {
    if (structured)
      add(
        await benchStructured({ specs, rounds: repetition.repeats, onProgress: (done, _, name) => job.update(done, { details: [name] }) }),
        structuredTable,
      );
    else if (profile === undefined) {
      const rows: BenchmarkRow[] = [];
      for (const benchmark of selected) {
        job.update(rows.length, { details: [benchmark.name] });
        rows.push(await runBenchmark(benchmark, repetition));
      }
      add(withStepRatios(rows), benchmarkTable);
    }
    const profiles: { name: string; profile: Profile }[] = [];
    for (const benchmark of profiled) {
      job.update(profiles.length, { details: [benchmark.name] });
      const { row, profile: taken } = await profileBenchmark(benchmark, repetition);
      profiles.push({ name: benchmark.name, profile: taken });
      add([row], hostProfileTable);
    }
    if (trace !== undefined) await writeTrace(trace, profiles);
    if (gpu !== undefined && only === undefined && !structured) {
      job.update(profile === undefined ? total : 0, { details: ["profile"] });
      add([await profileStep(gpu, images, repetition)], profileTable);
    }
  } finally {
    job.stop();
  }
  const { choice } = chosen;
  if (json)
    writeJson(
      stdout,
      measured.map((row) => ({ ...row, machine, ...(choice === undefined ? {} : { choice }) })),
    );
  else stdout.write(`${describeBackend(chosen)}; ${formatMachine(machine)}\n\n${tables.join("\n")}`);
}

/** The profiled training step of WRN-10-1. */
const profiledStep = (batch: number): Benchmark => ({ ...trainingStep(10, 1, batch), name: `wrn-10-1-profile-b${batch}` });

/** The tables of a profile on a backend whose kernels have computed when they return. */
function hostProfileTable([row]: readonly BenchmarkProfile[]): string {
  const { name, ms, minMs, maxMs, repeats, peakBytes, profile } = row!;
  const [median, least, most] = [ms, minMs, maxMs].map(formatMilliseconds);
  return (
    `${name}: one repetition takes ${median} ms (${least} to ${most}, ${plural(repeats, "repeat")}); ` +
    `${formatMegabytes(peakBytes)} at most\n\n${profileTables(profile)}`
  );
}

/** The table of a step profiled on a device: its traffic between host and device, and the time of each program. */
function profileTable([step]: readonly StepProfile[]): string {
  const { name, ms, minMs, maxMs, repeats, launches, uploads, uploadedBytes, readbacks, peakBytes, programs } = step!;
  const cells = programs.map((row) => [row.program, String(row.launches), formatMilliseconds(row.ms), formatPercent(row.share)]);
  return [
    `${name}: a training step of WRN-10-1 takes ${formatMilliseconds(ms)} ms `,
    `(${formatMilliseconds(minMs)} to ${formatMilliseconds(maxMs)}, ${repeats} repeats)\n`,
    `${formatCount(launches)} launches, ${uploads} of them uploads (${formatMegabytes(uploadedBytes)}); `,
    `${readbacks} readbacks; ${formatMegabytes(peakBytes)} at most\n\n`,
    formatTable(["program", "launches", "ms", "share"], cells, ["left", "right", "right", "right"]),
    "\nThe programs were timed one by one, and the device was idle in between. Their sum is therefore more than the time of a step.\n",
  ].join("");
}

/** The table of structured convolutions. Each cell has the time of forward, a slash, and the time of forward and backward, in ms. */
function structuredTable(rows: readonly StructuredRow[]): string {
  const header = ["convolution", "map", "share", "Sep", "factorized", "dense", "auto", "auto/Sep", "auto takes", "throughput"];
  const milliseconds = (ms: number): string => ms.toFixed(ms < 10 ? 2 : 1);
  const both = (times: Times | null): string =>
    times === null ? "–" : `${milliseconds(times.forward)} / ${milliseconds(times.forwardBackward)}`;
  const cells = rows.map(({ convolution, inChannels, outChannels, size, share, times, auto, throughput }) => [
    ...[convolution, `${inChannels}→${outChannels} at ${size}²`, formatPercent(share)],
    ...[times.sep, times.factorized, times.dense, times.auto].map(both),
    `${(times.auto.forward / times.sep.forward).toFixed(2)} / ${(times.auto.forwardBackward / times.sep.forwardBackward).toFixed(2)}`,
    ...[auto.path, throughput?.toFixed(2) ?? "–"],
  ]);
  return formatTable(header, cells, ["left", "left", ...header.slice(2).map(() => "right" as const)]);
}

function benchmarkTable(rows: readonly (BenchmarkRow & StepRatios)[]): string {
  // The ratios have columns only where some row has one.
  const ratios = rows.some(({ overConv, overSep }) => overConv !== undefined || overSep !== undefined);
  const header = ["benchmark", "ms", "min", "max", "repeats", "multiply-adds", "GFLOP/s", "GB/s", "peak memory"];
  if (ratios) header.push("time / Conv", "time / Sep");
  const cells = rows.map((row) => [
    row.name,
    ...[row.ms, row.minMs, row.maxMs].map(formatMilliseconds),
    String(row.repeats),
    row.multiplyAdds === 0 ? "–" : `${(row.multiplyAdds / 1e6).toFixed(1)} M`,
    row.gflops === 0 ? "–" : row.gflops.toFixed(2),
    row.gigabytesPerSecond?.toFixed(2) ?? "–",
    formatMegabytes(row.peakBytes),
    ...(ratios ? [row.overConv?.toFixed(2) ?? "–", row.overSep?.toFixed(2) ?? "–"] : []),
  ]);
  return formatTable(header, cells, ["left", ...header.slice(1).map(() => "right" as const)]);
}
