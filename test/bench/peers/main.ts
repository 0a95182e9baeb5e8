/**
 * `npm run bench:peers`: times separable, TensorFlow.js and jax-js in turns on the same problems, in one process and with one thread each.
 */

import { Command } from "commander";
import { benchmarks, selectBenchmarks } from "../../../src/bench/benchmarks.ts";
import { describeMachine, formatMachine } from "../../../src/bench/machine.ts";
import { argument } from "../../../src/cli/argument.ts";
import { formatTable } from "../../../src/cli/format.ts";
import { SeparableError } from "../../../src/core/errors.ts";
import { integer, number } from "../../../src/experiment/rules.ts";
import { type CompareOptions, type ComparisonRow, compare } from "./compare.ts";
import { jaxJs } from "./jax-js.ts";
import { separable } from "./separable.ts";
import { tfjs } from "./tfjs.ts";

/**
 * The default of --only. It leaves out the larger training steps, which show nothing new and take slow libraries minutes, and structured
 * networks, which the other libraries do not have.
 */
const defaultBenchmarks = benchmarks
  .filter(({ name, problem }) => !name.startsWith("wrn-16") && (problem.kind !== "trainingStep" || problem.convolution === "Conv"))
  .map(({ name }) => name);

async function main(): Promise<void> {
  const program = new Command("bench:peers")
    .description("measure separable beside TensorFlow.js and jax-js, one thread each")
    .option("--only <names...>", "benchmarks to run: names, prefixes of names, or patterns with *", defaultBenchmarks)
    .option(
      "--rounds <count>",
      "number of turns of each library on each benchmark",
      argument("bench:peers", "--rounds", integer({ least: 1 })),
      5,
    )
    .option(
      "--seconds <seconds>",
      "time of these turns together, in seconds",
      argument("bench:peers", "--seconds", number({ above: 0 })),
      1.5,
    )
    .option("--slow", "also measure benchmarks that take a library many seconds for each repetition", false)
    .option("--json", "print one JSON document")
    .parse();
  const { only, json, ...options } = program.opts<{ only: string[]; json?: boolean } & CompareOptions>();

  const selected = selectBenchmarks(only);
  const ours = await separable();
  const contenders = [ours, await tfjs("wasm"), await tfjs("cpu"), await jaxJs("eager"), await jaxJs("jit")];
  const machine = describeMachine(ours.backend);
  const rows: ComparisonRow[] = [];
  for (const benchmark of selected) {
    process.stderr.write(`${benchmark.name}\n`);
    rows.push(...(await compare(benchmark, contenders, options)));
  }
  const versions = Object.fromEntries(contenders.map(({ name, version }) => [name, version]));

  if (json)
    process.stdout.write(`${JSON.stringify({ date: new Date().toISOString().slice(0, 10), threads: 1, machine, versions, rows })}\n`);
  else {
    const line = (row: ComparisonRow): string[] =>
      "ms" in row
        ? [
            row.name,
            row.contender,
            row.ms.toPrecision(4),
            row.minMs.toPrecision(4),
            row.maxMs.toPrecision(4),
            String(row.repeats),
            row.gflops === 0 ? "–" : row.gflops.toFixed(1),
            row.gigabytesPerSecond?.toFixed(1) ?? "–",
            `${row.ratio.toFixed(2)} ×`,
          ]
        : [row.name, row.contender, ...["–", "–", "–", "–", "–", "–", "–"]];
    const header = ["benchmark", "library", "ms", "min", "max", "repeats", "GFLOP/s", "GB/s", "time / ours"];
    process.stdout.write(`${formatMachine(machine)}; SIMD: ${machine.simd}; one thread\n`);
    process.stdout.write(
      `${Object.entries(versions)
        .map(([name, version]) => `${name} ${version}`)
        .join(", ")}\n\n`,
    );
    process.stdout.write(
      formatTable(
        header,
        rows.map(line),
        header.map((_, column) => (column < 2 ? "left" : "right")),
      ),
    );
    for (const row of rows)
      if ("error" in row) process.stdout.write(`\n  ${row.name}: ${row.contender} cannot: ${row.error}`);
      else if ("skipped" in row) process.stdout.write(`\n  ${row.name}: ${row.contender} skipped: ${row.skipped}`);
    process.stdout.write("\n");
  }
}

// An error in the arguments prints one line without a stack trace.
await main().catch((error: unknown) => {
  if (!(error instanceof SeparableError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
});
