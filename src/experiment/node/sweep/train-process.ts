/** One run of a sweep, trained in a process of its own: begun, or gone on with from wherever an earlier process left it. */

import { fork } from "node:child_process";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Interruption } from "../../../cli/terminal.ts";
import { DataError, type SeparableError } from "../../../core/errors.ts";
import { lockHolder, lockName } from "../../../train/node/folder-lock.ts";
import type { EpochMetrics } from "../../../train/trainer.ts";
import { type SweepRun, toArguments } from "./sweep-plan.ts";

export interface TrainProcessOptions {
  /** Lets the run save itself and stop. */
  readonly signal: AbortSignal;
  readonly threads: number;
  readonly onEpoch: (metrics: EpochMetrics) => void;
  /** The program to run; this one unless a test has another. */
  readonly program?: string;
}

/** A process outlives its parent for as long as a step takes: long enough for a second sweep to meet it. */
const patience = { tries: 600, milliseconds: 100 } as const;

/**
 * Trains `run` in `folder` up to its end. Resolves when the folder holds a finished run; what it holds already is not repeated.
 * @throws DataError when the run fails, Interruption when the signal stopped it.
 */
export async function trainInProcess(run: SweepRun, folder: string, options: TrainProcessOptions): Promise<void> {
  await released(folder, options.signal);
  const begun = await canResume(folder);
  // A run killed before its first checkpoint has nothing to go on from, and would stand in the way of the next.
  if (!begun) await rm(folder, { recursive: true, force: true });
  // Threads are wasm's, and to give them is to choose it: runs side by side must not race for a device against each other.
  const { backend = "auto", threads } = run.explicit;
  const onWasm = backend === "auto" || backend === "wasm";
  const machine = onWasm && threads === undefined ? ["--threads", String(options.threads)] : [];
  const work = begun ? ["--resume", folder] : ["--preset", run.preset, "--run", folder, ...toArguments(run.explicit)];
  await runProgram([...work, ...machine], run.id, options);
}

async function canResume(folder: string): Promise<boolean> {
  const entries = await readdir(folder).catch((): string[] => []);
  return entries.includes("config.json") && entries.includes("checkpoint.safetensors");
}

/** Waits until nobody writes the folder any more. */
async function released(folder: string, signal: AbortSignal): Promise<void> {
  for (let tries = 0; tries < patience.tries; tries++) {
    signal.throwIfAborted();
    if ((await lockHolder(folder)) === undefined) {
      await rm(join(folder, lockName), { force: true });
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, patience.milliseconds));
  }
  throw new DataError(`sweep: ${folder} must be free, got a lock of process ${await lockHolder(folder)}; stop that process`);
}

function runProgram(
  argv: readonly string[],
  id: string,
  { signal, onEpoch, program = process.argv[1]! }: TrainProcessOptions,
): Promise<void> {
  // Detached, so that a terminal's Ctrl-C reaches it through us alone: a second signal would end it before it has saved.
  const child = fork(program, ["train", ...argv, "--json", "--no-progress"], { stdio: ["ignore", "pipe", "pipe", "ipc"], detached: true });
  const stop = (): void => void child.kill("SIGTERM");
  signal.addEventListener("abort", stop, { once: true });
  let complaint = "";
  child.stderr!.setEncoding("utf8").on("data", (text: string) => {
    complaint = (complaint + text).slice(-2000);
  });
  createInterface({ input: child.stdout! }).on("line", (line) => {
    const { event, ...metrics } = JSON.parse(line) as { event: string } & EpochMetrics;
    if (event === "epoch") onEpoch(metrics);
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, killed) => {
      signal.removeEventListener("abort", stop);
      if (signal.aborted) reject(signal.reason);
      else if (code === 0) resolve();
      else reject(failure(id, code ?? killed, complaint));
    });
  });
}

/** What the program said last, without its name. */
function failure(id: string, ending: number | NodeJS.Signals | null, complaint: string): SeparableError | Interruption {
  if (ending === Interruption.exitCode) return new Interruption(`${id} was interrupted`);
  const last = complaint.trim().split("\n").at(-1) ?? "";
  return new DataError(`sweep: ${id} must run to its end, got exit ${ending}: ${last.replace(/^separable: /, "") || "no message"}`);
}
