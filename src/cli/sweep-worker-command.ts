/** `separable sweep-worker`: this machine's share of the sweeps that are run by Redis. */

import { availableParallelism } from "node:os";
import { Command } from "commander";
import { Interruption } from "../experiment/interruption.ts";
import { reachRedis, redisUrl } from "../experiment/node/sweep/redis/connection.ts";
import { type WorkerReporter, workForSweeps } from "../experiment/node/sweep/redis/redis-worker.ts";
import { integer, number, path } from "../experiment/rules.ts";
import { argument } from "./argument.ts";
import type { CommandContext } from "./command-context.ts";
import { formatPercent, plural } from "./format.ts";
import { interruptible, type Terminal, writeJson } from "./terminal.ts";

interface SweepWorkerOptions {
  readonly redis: string;
  readonly out: string;
  readonly jobs?: number;
  readonly threads?: number;
  readonly silence: number;
  readonly json?: boolean;
}

const count = (option: string): ((given: string) => number) => argument("sweep-worker", option, integer({ least: 1, most: 256 }));

export const sweepWorkerCommand = (context: CommandContext): Command =>
  new Command("sweep-worker")
    .description("train runs of sweeps that were begun with --redis, here or on other machines, until Ctrl-C")
    .requiredOption("--redis <url>", `where the sweeps are queued: ${redisUrl.allowed}`, argument("sweep-worker", "--redis", redisUrl))
    .option(
      "--out <folder>",
      "for runs of sweeps whose own folder cannot be seen from here",
      argument("sweep-worker", "--out", path),
      "sweeps",
    )
    .option("--jobs <n>", "runs at a time (default: one per core)", count("--jobs"))
    .option("--threads <n>", "of each run (default: the cores, shared out)", count("--threads"))
    .option(
      "--silence <seconds>",
      "without a sign of life, after which a worker is taken for dead and its runs go to others",
      argument("sweep-worker", "--silence", number({ least: 1, most: 3600 })),
      30,
    )
    .option("--json", "print JSON lines to stdout")
    .action((options: SweepWorkerOptions) => work(options, context));

async function work(options: SweepWorkerOptions, context: CommandContext): Promise<void> {
  const { terminal } = context;
  const cores = availableParallelism();
  const { redis, out, silence, jobs = cores } = options;
  const { threads = Math.max(1, Math.floor(cores / jobs)) } = options;
  const server = await reachRedis(redis, (note) => void terminal.stderr.write(`note: ${note}\n`));
  const reporter = options.json
    ? jsonReporter(terminal)
    : textReporter(terminal, `${plural(jobs, "run")} at a time, from ${server.address}`);
  const inOrder = await interruptible(
    terminal,
    () => terminal.stderr.write("Stopping every run after its step, and giving it back; once more to leave at once.\n"),
    (signal) => workForSweeps(server, { out, jobs, threads, silence, signal, reporter }),
  );
  context.exitCode = Interruption.exitCode;
  if (!inOrder) terminal.exit(Interruption.exitCode);
}

function textReporter({ stdout, stderr }: Terminal, described: string): WorkerReporter {
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
  };
}

/** An event a line. */
function jsonReporter({ stdout }: Terminal): WorkerReporter {
  return {
    ready: () => writeJson(stdout, { event: "ready" }),
    runBegins: ({ id }, folder) => writeJson(stdout, { event: "run-begin", id, run: folder }),
    epoch: ({ id }, metrics) => writeJson(stdout, { event: "epoch", id, ...metrics }),
    runEnds: ({ id }, summary) => writeJson(stdout, { event: "run-end", id, ...summary }),
    runFails: ({ id }, error) => writeJson(stdout, { event: "run-fail", id, error: `${error.name}: ${error.message}` }),
    runGivenBack: ({ id }) => writeJson(stdout, { event: "run-back", id }),
  };
}
