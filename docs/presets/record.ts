/**
 * Appends a finished run to results.jsonl:
 *
 *     npx tsx docs/presets/record.ts runs/ten-0 --note "a quiet machine"
 *
 * It tests the last weights of the run with `eval --tta`, so it takes minutes. It belongs on the machine and on the commit that trained the
 * run. SEPARABLE is the command (default: node dist/cli/main.js).
 */

import { execFileSync } from "node:child_process";
import { appendFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { ConfigError } from "../../src/core/errors.ts";
import { findCheckpoint } from "../../src/experiment/node/find-checkpoint.ts";
import { configOf } from "../../src/experiment/run-config.ts";
import { RunFolder } from "../../src/train/node/run-folder.ts";
import { resultsIn } from "./results.ts";

const command = new Command("record").argument("<run>", "the folder of a finished run of a preset");
const { note } = command.requiredOption("--note <text>", "what else ran on the machine").parse().opts<{ note: string }>();
const run = command.args[0]!;

/** The standard output of a command of the shell, with `argument` as $1. */
const output = (line: string, argument = ""): string =>
  execFileSync("sh", ["-c", line, "sh", argument], { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] }).trim();

const config = configOf(await findCheckpoint(run));
const { metrics } = await RunFolder.open(run);
const last = metrics.at(-1);
if (config === undefined || last === undefined || last.testAccuracy === null || last.epoch < config.settings.epochs)
  throw new ConfigError(`record: ${run} must be finished, got ${last?.epoch ?? 0} of ${config?.settings.epochs} epochs; resume it first`);

const separable = process.env.SEPARABLE ?? "node dist/cli/main.js";
const tested = JSON.parse(output(`${separable} eval "$1" --tta --json --no-progress`, join(run, "checkpoint.safetensors"))) as {
  readonly accuracy: number;
};
const total = (quantity: (epoch: (typeof metrics)[number]) => number): number => metrics.reduce((sum, epoch) => sum + quantity(epoch), 0);
const trained = total(({ seconds }) => seconds);
const { backend, node } = config.environment;
const line = JSON.stringify({
  preset: config.preset,
  seed: config.settings.seed,
  epochs: last.epoch,
  accuracy: last.testAccuracy,
  accuracyTta: tested.accuracy,
  minutes: Number(((trained + total(({ testSeconds }) => testSeconds)) / 60).toFixed(2)),
  imagesPerSecond: Math.round(total(({ seconds, imagesPerSecond }) => seconds * imagesPerSecond) / trained),
  machine: `${cpus()[0]?.model.trim() ?? "unknown"}, ${backend.threads} threads, ${backend.simd ?? "no"} SIMD`,
  node,
  commit: output("git rev-parse --short HEAD 2>/dev/null || true") || null,
  note,
});
resultsIn(line);
appendFileSync(new URL("results.jsonl", import.meta.url), `${line}\n`);
process.stdout.write(`${line}\n`);
