/** `separable bench`: how fast, on this machine. */

import { Command } from "commander";
import { type BackendName, backendNames, kernels } from "../backend/active.ts";
import { ConfigError } from "../core/errors.ts";
import { benchmarks, selectBenchmarks } from "./bench/benchmarks.ts";
import { describeMachine, formatMachine } from "./bench/machine.ts";
import { type BenchmarkRow, runBenchmark } from "./bench/run-benchmark.ts";
import { formatMegabytes, formatTable } from "./format.ts";
import { progressStyle, startJob } from "./progress.ts";
import { argument, choice, integer, number } from "./rules.ts";
import { describeBackend, startBackend } from "./start-backend.ts";
import { type Terminal, writeJson } from "./terminal.ts";

interface BenchOptions {
  readonly only?: readonly string[];
  readonly threads?: number;
  readonly backend: BackendName;
  readonly repeats: number;
  readonly minSeconds: number;
  readonly json?: boolean;
}

/** What the command needs of the program around it. */
interface BenchContext {
  readonly terminal: Pick<Terminal, "stdout" | "stderr">;
}

export const benchCommand = ({ terminal }: BenchContext = { terminal: process }): Command =>
  new Command("bench")
    .description("measure kernels and training steps on this machine")
    .option("--only <names...>", "benchmarks to run: names, beginnings of names, or patterns with *")
    .option(
      "--threads <count>",
      "threads of the wasm backend (default: the machine's cores)",
      argument("bench", "--threads", integer({ least: 1 })),
    )
    .option("--backend <name>", "the backend to measure", argument("bench", "--backend", choice(backendNames)), "wasm")
    .option("--repeats <count>", "least repetitions of each", argument("bench", "--repeats", integer({ least: 1 })), 5)
    .option("--min-seconds <seconds>", "least time spent on each", argument("bench", "--min-seconds", number({ least: 0 })), 1)
    .option("--json", "print one JSON array of rows")
    .addHelpText(
      "after",
      `\nBenchmarks:\n${benchmarks.map(({ name, onDemand }) => `  ${name}${onDemand ? " (only by its full name)" : ""}\n`).join("")}`,
    )
    .action((options: BenchOptions) => bench(options, terminal));

async function bench(
  { only, threads, backend, json = false, ...repetition }: BenchOptions,
  { stdout, stderr }: BenchContext["terminal"],
): Promise<void> {
  const selected = selectBenchmarks(only);
  if (backend === "reference" && threads !== undefined && threads !== 1)
    throw new ConfigError(`bench: --threads must be 1 on the reference backend, which has no more, got ${threads}`);
  const chosen = await startBackend({ backend, threads });
  const machine = describeMachine(kernels());
  const job = startJob(stderr, progressStyle(stderr, !json), { label: "bench", total: selected.length });
  const rows: BenchmarkRow[] = [];
  try {
    for (const benchmark of selected) {
      job.update(rows.length, benchmark.name);
      rows.push(await runBenchmark(benchmark, repetition));
    }
  } finally {
    job.stop();
  }
  if (json)
    writeJson(
      stdout,
      rows.map((row) => ({ ...row, machine })),
    );
  else stdout.write(`${describeBackend(chosen)}; ${formatMachine(machine)}\n\n${benchmarkTable(rows)}`);
}

function benchmarkTable(rows: readonly BenchmarkRow[]): string {
  const header = ["benchmark", "ms", "min", "max", "repeats", "GFLOP/s", "GB/s", "peak memory"];
  const milliseconds = (ms: number): string => ms.toFixed(ms < 10 ? 3 : 1);
  const cells = rows.map((row) => [
    row.name,
    ...[row.ms, row.minMs, row.maxMs].map(milliseconds),
    String(row.repeats),
    row.gflops === 0 ? "–" : row.gflops.toFixed(2),
    row.gigabytesPerSecond?.toFixed(2) ?? "–",
    formatMegabytes(row.peakBytes),
  ]);
  return formatTable(header, cells, ["left", ...header.slice(1).map(() => "right" as const)]);
}
