/** Runs a command line in this process, and returns everything that it prints. */

import { EventEmitter } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { run } from "../../src/cli/program.ts";
import { readCheckpointFile } from "../../src/train/node/checkpoint-files.ts";
import { decodeSafetensors } from "../../src/train/safetensors.ts";

export interface CliResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** The exit codes with which the program wanted to end at once. */
  readonly exits: readonly number[];
}

export interface CliHooks {
  /** Called with each piece of stdout. `signal` acts as Ctrl-C. */
  readonly onStdout?: (text: string, signal: () => void) => void;
}

export async function runCli(argv: readonly string[], { onStdout }: CliHooks = {}): Promise<CliResult> {
  const signals = new EventEmitter();
  const exits: number[] = [];
  let [stdout, stderr] = ["", ""];
  const code = await run(argv, {
    stdout: {
      write: (text) => {
        stdout += text;
        onStdout?.(text, () => signals.emit("SIGINT"));
      },
    },
    stderr: {
      write: (text) => {
        stderr += text;
      },
    },
    invocation: "separable",
    program: "separable",
    signals,
    exit: (exitCode) => void exits.push(exitCode),
  });
  return { code, stdout, stderr, exits };
}

/** A run of six steps. It has one thread, since the workers of several threads need the compiled program. */
export const tinyRun = [
  "train",
  ..."--data synthetic --limit-train 12 --limit-test 6 --batch-size 4 --epochs 2 --dropout 0.2 --threads 1 --no-progress".split(" "),
];

export const jsonLines = (text: string): Record<string, unknown>[] =>
  text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Record<string, unknown>);

/** The epoch and the step of a run's checkpoint. */
export async function positionOf(folder: string): Promise<{ epoch: number; step: number }> {
  const { training } = await readCheckpointFile(join(folder, "checkpoint.safetensors"));
  const { epoch, step } = training!.progress;
  return { epoch, step };
}

/** The results of a run that must not depend on how often it was stopped. */
export async function resultsOf(folder: string): Promise<Record<string, unknown>> {
  const bytes = await readFile(join(folder, "checkpoint.safetensors"));
  const { tensors, metadata } = decodeSafetensors(bytes, folder);
  const metrics = jsonLines(await readFile(join(folder, "metrics.jsonl"), "utf8")).map(
    ({ seconds: _, testSeconds: __, imagesPerSecond: ___, peakBytes: ____, ...line }) => line,
  );
  const numbers = [...tensors].map(([name, { shape, data }]) => [name, shape, Buffer.from(data.buffer).toString("base64")]);
  return { numbers, metrics, random: metadata.random };
}
