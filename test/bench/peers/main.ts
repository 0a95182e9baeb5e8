/**
 * `npm run bench:peers`: times separable, TensorFlow.js and jax-js in turns on the same problems, in one process and with one thread each.
 * With `--browser` they run on WebGPU in one page of Chromium, on the same adapter.
 */

import { Command, Option } from "commander";
import { type Benchmark, benchmarks, selectBenchmarks } from "../../../src/bench/benchmarks.ts";
import { describeMachine, formatMachine } from "../../../src/bench/machine.ts";
import { argument } from "../../../src/cli/argument.ts";
import { SeparableError } from "../../../src/core/errors.ts";
import { integer, number } from "../../../src/experiment/rules.ts";
import { measureInChromium, serveComparison } from "./browser/serve.ts";
import { type CompareOptions, type ComparisonRow, compare } from "./compare.ts";
import { comparisonText } from "./comparison-text.ts";
import { jaxJs } from "./jax-js.ts";
import { separable } from "./separable.ts";
import { tfjsInNode } from "./tfjs-node.ts";

/**
 * The default of --only. It leaves out the larger training steps, which show nothing new and take slow libraries minutes, and structured
 * networks, which the other libraries do not have.
 */
const defaultBenchmarks = benchmarks
  .filter(({ name, problem }) => !name.startsWith("wrn-16") && (problem.kind !== "trainingStep" || problem.convolution === "Conv"))
  .map(({ name }) => name);

/** The default of --only with --browser. */
const browserBenchmarks = ["gemm-512", "conv3x3-16-32-hw32-b32", "relu-1m-fwdbwd", "dispatch-1k", "wrn-10-1-step-b32"];

interface Options extends CompareOptions {
  readonly only?: readonly string[];
  readonly browser?: "swiftshader" | "page";
  readonly json?: boolean;
}

async function main(): Promise<void> {
  const program = new Command("bench:peers")
    .description("measure separable beside TensorFlow.js and jax-js, one thread each")
    .option("--only <names...>", "benchmarks to run: names, prefixes of names, or patterns with *")
    .addOption(
      new Option("--browser [where]", "measure WebGPU in Chromium on SwiftShader, or in a browser of your own that opens the page")
        .choices(["swiftshader", "page"])
        .preset("swiftshader"),
    )
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
  const { only, json, browser, ...options } = program.opts<Options>();
  const names = only ?? (browser === undefined ? defaultBenchmarks : browserBenchmarks);
  const selected = selectBenchmarks(names);
  if (browser === undefined) return inNode(selected, options, json);
  if (browser === "page") {
    const { origin } = await serveComparison({ names, ...options });
    process.stdout.write(`${origin} measures the browser that opens it; Ctrl+C ends the server\n`);
    return;
  }
  const result = await measureInChromium({ names, ...options });
  if (json) process.stdout.write(`${JSON.stringify(result)}\n`);
  else process.stdout.write(`${result.adapter}; ${result.browser}\n${comparisonText(result.versions, result.rows)}`);
}

async function inNode(selected: readonly Benchmark[], options: CompareOptions, json: boolean | undefined): Promise<void> {
  const ours = await separable();
  const contenders = [ours, tfjsInNode("wasm"), tfjsInNode("cpu"), await jaxJs("eager"), await jaxJs("jit")];
  const machine = describeMachine(ours.backend);
  const rows: ComparisonRow[] = [];
  for (const benchmark of selected) {
    process.stderr.write(`${benchmark.name}\n`);
    rows.push(...(await compare(benchmark, contenders, options)));
  }
  const versions = Object.fromEntries(contenders.map(({ name, version }) => [name, version]));
  if (json)
    process.stdout.write(`${JSON.stringify({ date: new Date().toISOString().slice(0, 10), threads: 1, machine, versions, rows })}\n`);
  else process.stdout.write(`${formatMachine(machine)}; SIMD: ${machine.simd}; one thread\n${comparisonText(versions, rows)}`);
}

// An error in the arguments prints one line without a stack trace.
await main().catch((error: unknown) => {
  if (!(error instanceof SeparableError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
});
