/**
 * `npm run bench:torch`: the benchmarks of `separable bench` here and in PyTorch, row by row and by turns, in processes of their own.
 * PyTorch is no dependency: the command uses a Python of the machine that has it.
 */

import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import { useBackend } from "../../../src/backend/active.ts";
import { createReferenceBackend } from "../../../src/backend/reference/reference-kernels.ts";
import { type Benchmark, selectBenchmarks } from "../../../src/bench/benchmarks.ts";
import { formatMachine } from "../../../src/bench/machine.ts";
import type { Timing } from "../../../src/bench/measure.ts";
import { operandShapes, operandValues, stepClasses, stepImageShape, stepLabels, stepRates } from "../../../src/bench/workload.ts";
import { argument } from "../../../src/cli/argument.ts";
import { formatTable, plural } from "../../../src/cli/format.ts";
import { SeparableError } from "../../../src/core/errors.ts";
import type { Shape } from "../../../src/core/shape.ts";
import { integer, number, path } from "../../../src/experiment/rules.ts";
import { initialParameters } from "../peers/initial-parameters.ts";
import type { OwnFacts, TorchDocument, TorchFacts, TorchRow } from "./document.ts";
import { findPython, vectorInstructions } from "./machine.ts";
import { type EncodedArray, encodeFloats, type Request, startWorker, type Worker } from "./protocol.ts";
import { type RaceOptions, race } from "./race.ts";

interface Options {
  readonly rows?: readonly string[];
  readonly threads: readonly number[];
  readonly rounds: number;
  readonly seconds: number;
  readonly node: string;
  readonly python?: string;
  readonly json?: string;
}

const file = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const thread = argument("bench:torch", "--threads", integer({ least: 1 }));

function parseOptions(): Options {
  return new Command("bench:torch")
    .description("measure separable beside PyTorch, row by row and by turns")
    .option("--rows <names...>", "benchmarks to run: names, prefixes of names, or patterns with * (default: those of separable bench)")
    .option(
      "--threads <counts...>",
      "numbers of threads, one run each",
      (text: string, before?: number[]) => [...(before === defaultThreads ? [] : (before ?? [])), thread(text)],
      defaultThreads,
    )
    .option("--rounds <count>", "number of turns of each side", argument("bench:torch", "--rounds", integer({ least: 1 })), 5)
    .option(
      "--seconds <seconds>",
      "time of all turns of a side on one row, in seconds",
      argument("bench:torch", "--seconds", number({ above: 0 })),
      2,
    )
    .option("--node <path>", "the Node that runs separable", argument("bench:torch", "--node", path), process.execPath)
    .option(
      "--python <path>",
      "the Python that has PyTorch (default: python3, then /usr/bin/python3)",
      argument("bench:torch", "--python", path),
    )
    .option("--json <file>", "write the results to this file too", argument("bench:torch", "--json", path))
    .parse()
    .opts<Options>();
}

const defaultThreads: number[] = [1, 2];

/** What both workers need to prepare a problem. Each problem carries its numbers, so that both compute the same. */
async function preparation({ problem }: Benchmark): Promise<Extract<Request, { do: "prepare" }>> {
  const encoded = (shape: Shape, place: number): EncodedArray => ({ shape, data: encodeFloats(operandValues(shape, place)) });
  if (problem.kind !== "trainingStep") return { do: "prepare", problem, operands: operandShapes(problem).map(encoded) };
  useBackend(createReferenceBackend());
  const parameters = (await initialParameters(problem)).map(({ name, shape, values }) => [name, { shape, data: encodeFloats(values) }]);
  return {
    do: "prepare",
    problem,
    operands: [encoded(stepImageShape(problem), 0)],
    step: { classes: stepClasses, rates: stepRates, labels: [...stepLabels(problem)], parameters: Object.fromEntries(parameters) },
  };
}

async function main(): Promise<void> {
  const options = parseOptions();
  const selected = selectBenchmarks(options.rows, "bench:torch: --rows");
  const python = findPython(options.python === undefined ? ["python3", "/usr/bin/python3"] : [options.python]);
  const turns: RaceOptions = { rounds: options.rounds, turnMilliseconds: (1000 * options.seconds) / options.rounds };
  const rows: TorchRow[] = [];
  let facts: { own: OwnFacts; torch: TorchFacts } | undefined;
  for (const threads of options.threads) {
    const workers: readonly [Worker, Worker] = [
      startWorker(options.node, ["--import", import.meta.resolve("tsx"), file("./own-worker.ts"), String(threads)]),
      startWorker(python, [file("./torch_worker.py"), String(threads)], { OMP_NUM_THREADS: String(threads) }),
    ];
    try {
      facts = { own: await workers[0].ask<OwnFacts>({ do: "facts" }), torch: await workers[1].ask<TorchFacts>({ do: "facts" }) };
      for (const benchmark of selected) {
        process.stderr.write(`${benchmark.name}, ${plural(threads, "thread")}\n`);
        rows.push({ name: benchmark.name, threads, ...(await race(workers, await preparation(benchmark), turns)) });
      }
    } finally {
      for (const worker of workers) worker.stop();
    }
  }
  const { own, torch } = facts!;
  const instructions = vectorInstructions();
  if (options.json !== undefined) {
    const date = new Date().toISOString().slice(0, 10);
    const document: TorchDocument = { date, machine: { ...own, instructions }, torch, rounds: options.rounds, rows };
    writeFileSync(options.json, `${JSON.stringify(document, null, 2)}\n`);
  }
  process.stdout.write(
    `${formatMachine(own)}; ${instructions.join(" ") || "vector instructions unknown"}\n` +
      `separable ${own.version}, SIMD: ${own.simd}\n` +
      `PyTorch ${torch.torch} on Python ${torch.python}, ${torch.capability}, ${torch.oneDNN ? "with" : "without"} oneDNN\n\n` +
      `${table(rows)}\n`,
  );
}

/** Medians with the extremes. The ratio is the time of separable divided by that of PyTorch: below 1 separable is faster. */
function table(rows: readonly TorchRow[]): string {
  const milliseconds = (ms: number): string => ms.toFixed(ms < 10 ? 3 : 1);
  const spread = ({ medianMs, minMs, maxMs }: Timing): string =>
    `${milliseconds(medianMs)} (${milliseconds(minMs)}–${milliseconds(maxMs)})`;
  const cells = rows.map(({ name, threads, ours, other }) => [
    name,
    String(threads),
    spread(ours),
    "error" in other ? "–" : spread(other.timing),
    "error" in other ? "–" : `${other.ratio.median.toFixed(2)} (${other.ratio.min.toFixed(2)}–${other.ratio.max.toFixed(2)})`,
  ]);
  const header = ["benchmark", "threads", "separable, ms", "PyTorch, ms", "separable / PyTorch"];
  const errors = rows.flatMap(({ name, threads, other }) =>
    "error" in other ? [`  ${name}, ${plural(threads, "thread")}: PyTorch has no time: ${other.error}`] : [],
  );
  return [formatTable(header, cells, ["left", "right", "right", "right", "right"]), ...errors].join("\n");
}

// An error in the arguments prints one line without a stack trace.
await main().catch((error: unknown) => {
  if (!(error instanceof SeparableError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
});
