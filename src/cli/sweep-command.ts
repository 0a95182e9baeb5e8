/** `separable sweep`: trains every run of a grid, in processes of this machine or by workers. */

import { availableParallelism } from "node:os";
import { basename, join } from "node:path";
import type { Command } from "commander";
import { ConfigError } from "../core/errors.ts";
import { Interruption } from "../experiment/interruption.ts";
import { localEngine } from "../experiment/node/sweep/local-engine.ts";
import { redisEngine } from "../experiment/node/sweep/redis/redis-engine.ts";
import { defaultTries, limitRules } from "../experiment/node/sweep/run-limits.ts";
import { runSweep, type SweepEngine, type SweepObserver } from "../experiment/node/sweep/run-sweep.ts";
import { readSweep } from "../experiment/node/sweep/sweep-plan.ts";
import { type SweepRun, toArguments } from "../experiment/node/sweep/sweep-run.ts";
import { integer, path } from "../experiment/rules.ts";
import { argument } from "./argument.ts";
import type { CommandContext } from "./command.ts";
import { formatDuration, formatPercent, plural } from "./format.ts";
import { addRedisOptions, type RedisOptions, redisOf } from "./redis-options.ts";
import { interruptible, type Terminal, writeJson, writeNote } from "./terminal.ts";

interface SweepCommandOptions extends RedisOptions {
  readonly out?: string;
  readonly jobs?: number;
  readonly threads?: number;
  readonly tries?: number;
  readonly timeLimit?: number;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

const count = (option: string): ((given: string) => number) => argument("sweep", option, integer({ least: 1, most: 256 }));

export function sweepCommand(command: Command, context: CommandContext): void {
  command
    .option(
      "--out <folder>",
      "folder of the runs and of results.jsonl (default: sweeps/<name of the file>)",
      argument("sweep", "--out", path),
    )
    .option("--jobs <n>", "runs at a time (default: one per core)", count("--jobs"))
    .option("--threads <n>", "threads of each run (default: the cores divided by --jobs)", count("--threads"))
    .option("--tries <n>", `how often a run is tried (default: ${defaultTries})`, argument("sweep", "--tries", limitRules.tries))
    .option(
      "--time-limit <seconds>",
      "longest time of one try; the run is then saved, and the next try goes on from there (default: none)",
      argument("sweep", "--time-limit", limitRules.timeLimit),
    );
  addRedisOptions(command, "leave the training to sweep-workers, through this Redis");
  command
    .option("--dry-run", "print the runs and train none")
    .option("--json", "print JSON lines to stdout")
    .action((file: string, options: SweepCommandOptions) => sweep(file, options, context));
}

async function sweep(file: string, options: SweepCommandOptions, context: CommandContext): Promise<void> {
  const { terminal } = context;
  const runs = await readSweep(file);
  const { out = join("sweeps", basename(file, ".json")), json = false } = options;
  if (options.dryRun) {
    for (const run of runs) describeRun(run, json, terminal);
    return;
  }
  const engine = await engineFor(runs, options, terminal);
  const observer = json ? jsonObserver(terminal) : textObserver(terminal, out);
  try {
    const leaving =
      options.redis === undefined
        ? "Stopping every run after its step"
        : "Leaving the runs to the workers; run the sweep again to collect their results";
    await interruptible(
      terminal,
      () => terminal.stderr.write(`${leaving}; once more to leave at once.\n`),
      async (signal) => {
        const failed = await runSweep(runs, { out, engine, signal, observer });
        if (failed.length === 0) return;
        terminal.stderr.write(
          `${plural(failed.length, "run")} failed; the others are in ${join(out, "results.jsonl")}. Run the sweep again to retry.\n`,
        );
        context.exitCode = 1;
      },
    );
  } catch (error) {
    if (!(error instanceof Interruption)) throw error;
    context.exitCode = Interruption.exitCode;
  }
}

/** The engine that trains the runs. @throws ConfigError for options that do not fit --redis, DataError for a Redis that cannot be used. */
async function engineFor(
  runs: readonly SweepRun[],
  { redis, redisCa, jobs, threads, tries, timeLimit }: SweepCommandOptions,
  terminal: Terminal,
): Promise<SweepEngine> {
  const cores = availableParallelism();
  if (redis === undefined) {
    if (redisCa !== undefined) throw new ConfigError("sweep: --redis-ca belongs to --redis, got none");
    const processes = jobs ?? Math.min(cores, runs.length);
    const { program } = terminal;
    return localEngine({ jobs: processes, threads: threads ?? Math.max(1, Math.floor(cores / processes)), program, tries, timeLimit });
  }
  const misplaced = Object.entries({ jobs, threads }).find(([, value]) => value !== undefined)?.[0];
  if (misplaced !== undefined)
    throw new ConfigError(`sweep: --${misplaced} belongs to sweep-worker beside --redis; give it to the workers`);
  const server = await redisOf("sweep", { redis, redisCa }, terminal);
  return redisEngine(server, (note) => writeNote(terminal, note), { tries, timeLimit });
}

function describeRun({ id, preset, explicit }: SweepRun, json: boolean, { stdout }: Terminal): void {
  if (json) writeJson(stdout, { id, preset, settings: explicit });
  else stdout.write(`${id}\n  train --preset ${preset} ${toArguments(explicit).join(" ")}\n`);
}

function textObserver(terminal: Terminal, out: string): SweepObserver {
  const { stdout, stderr } = terminal;
  let [runs, finished] = [0, 0];
  return {
    begin(counts) {
      ({ runs, finished } = counts);
      stdout.write(`${plural(runs, "run")}, ${finished} of them finished before, in ${out}\n`);
    },
    runBegins: ({ id }) => void stdout.write(`begin  ${id}\n`),
    epoch({ id, settings }, { epoch, trainLoss, testAccuracy }) {
      const test = testAccuracy === null ? "" : `  test accuracy ${formatPercent(testAccuracy)}`;
      stdout.write(`       ${id}  epoch ${epoch}/${settings.epochs}  train loss ${trainLoss.toFixed(4)}${test}\n`);
    },
    runEnds({ id, testAccuracy, seconds }, counts) {
      const test = testAccuracy === null ? "" : `  test accuracy ${formatPercent(testAccuracy)}`;
      stdout.write(`end    ${id}${test}  in ${formatDuration(seconds)}  (${counts.finished} of ${counts.runs})\n`);
    },
    runIsTriedAgain: ({ id }, error) => void stderr.write(`again  ${id}: ${error.name}: ${error.message}\n`),
    runFails: ({ id }, error) => void stderr.write(`fail   ${id}: ${error.name}: ${error.message}\n`),
    note: (note) => writeNote(terminal, note),
  };
}

/** Writes one event a line. */
function jsonObserver(terminal: Terminal): SweepObserver {
  const { stdout } = terminal;
  return {
    begin: (counts) => writeJson(stdout, { event: "begin", ...counts }),
    runBegins: ({ id }) => writeJson(stdout, { event: "run-begin", id }),
    epoch: ({ id }, metrics) => writeJson(stdout, { event: "epoch", id, ...metrics }),
    runEnds: (result) => writeJson(stdout, { event: "run-end", ...result }),
    runIsTriedAgain: ({ id }, error) => writeJson(stdout, { event: "run-again", id, error: `${error.name}: ${error.message}` }),
    note: (note) => writeNote(terminal, note),
    runFails: ({ id }, error) => writeJson(stdout, { event: "run-fail", id, error: `${error.name}: ${error.message}` }),
  };
}
