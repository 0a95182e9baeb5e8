/** `separable sweep-worker`: trains runs of sweeps that were begun with --redis. */

import { availableParallelism } from "node:os";
import type { Command } from "commander";
import { Interruption } from "../experiment/interruption.ts";
import { type WorkerObserver, workForSweeps } from "../experiment/node/sweep/redis/redis-worker.ts";
import { limitRules } from "../experiment/node/sweep/run-limits.ts";
import { integer, number, path } from "../experiment/rules.ts";
import { argument } from "./argument.ts";
import type { CommandContext } from "./command.ts";
import { formatPercent, plural } from "./format.ts";
import { addRedisOptions, type RedisOptions, redisOf } from "./redis-options.ts";
import { interruptible, type Terminal, writeJson } from "./terminal.ts";

interface SweepWorkerOptions extends RedisOptions {
  readonly out: string;
  readonly jobs?: number;
  readonly threads?: number;
  readonly silence: number;
  readonly timeLimit?: number;
  readonly json?: boolean;
}

const count = (option: string): ((given: string) => number) => argument("sweep-worker", option, integer({ least: 1, most: 256 }));

export function sweepWorkerCommand(command: Command, context: CommandContext): void {
  addRedisOptions(command, "the Redis that holds the sweeps");
  command
    .option(
      "--out <folder>",
      "folder for runs of sweeps whose own folder this machine cannot read",
      argument("sweep-worker", "--out", path),
      "sweeps",
    )
    .option("--jobs <n>", "runs at a time (default: one per core)", count("--jobs"))
    .option("--threads <n>", "threads of each run (default: the cores divided by --jobs)", count("--threads"))
    .option(
      "--silence <seconds>",
      "seconds without an answer after which a worker counts as dead and its runs go to others",
      argument("sweep-worker", "--silence", number({ least: 1, most: 3600 })),
      30,
    )
    .option(
      "--time-limit <seconds>",
      "longest time of one try of any run, whatever its sweep allows (default: none)",
      argument("sweep-worker", "--time-limit", limitRules.timeLimit),
    )
    .option("--json", "print JSON lines to stdout")
    .action((options: SweepWorkerOptions) => work(options, context));
}

async function work(options: SweepWorkerOptions, context: CommandContext): Promise<void> {
  const { terminal } = context;
  const cores = availableParallelism();
  const { out, silence, timeLimit, jobs = cores } = options;
  const { threads = Math.max(1, Math.floor(cores / jobs)) } = options;
  const server = await redisOf("sweep-worker", options, terminal);
  const observer = options.json
    ? jsonObserver(terminal)
    : textObserver(terminal, `${plural(jobs, "run")} at a time, from ${server.address}`);
  const inOrder = await interruptible(
    terminal,
    () => terminal.stderr.write("Stopping every run after its step, and giving it back; once more to leave at once.\n"),
    (signal) => workForSweeps(server, { out, jobs, threads, silence, timeLimit, program: terminal.program, signal, observer }),
  );
  context.exitCode = Interruption.exitCode;
  if (!inOrder) terminal.exit(Interruption.exitCode);
}

function textObserver({ stdout, stderr }: Terminal, described: string): WorkerObserver {
  return {
    ready: () => void stdout.write(`${described}\n`),
    runBegins: ({ id }, folder) => void stdout.write(`begin  ${id}  in ${folder}\n`),
    epoch({ id, settings }, { epoch, trainLoss, testAccuracy }) {
      const test = testAccuracy === null ? "" : `  test accuracy ${formatPercent(testAccuracy)}`;
      stdout.write(`       ${id}  epoch ${epoch}/${settings.epochs}  train loss ${trainLoss.toFixed(4)}${test}\n`);
    },
    runEnds: ({ id }) => void stdout.write(`end    ${id}\n`),
    runFails: ({ id }, error) => void stderr.write(`fail   ${id}: ${error.name}: ${error.message}\n`),
    runGivenBack: ({ id }) => void stdout.write(`back   ${id}\n`),
    jobRefused: (jobId, error) => void stderr.write(`refuse ${jobId}: ${error.name}: ${error.message}\n`),
  };
}

/** Writes one event a line. */
function jsonObserver({ stdout }: Terminal): WorkerObserver {
  return {
    ready: () => writeJson(stdout, { event: "ready" }),
    runBegins: ({ id }, folder) => writeJson(stdout, { event: "run-begin", id, run: folder }),
    epoch: ({ id }, metrics) => writeJson(stdout, { event: "epoch", id, ...metrics }),
    runEnds: ({ id }, summary) => writeJson(stdout, { event: "run-end", id, ...summary }),
    runFails: ({ id }, error) => writeJson(stdout, { event: "run-fail", id, error: `${error.name}: ${error.message}` }),
    runGivenBack: ({ id }) => writeJson(stdout, { event: "run-back", id }),
    jobRefused: (job, error) => writeJson(stdout, { event: "job-refused", job, error: `${error.name}: ${error.message}` }),
  };
}
