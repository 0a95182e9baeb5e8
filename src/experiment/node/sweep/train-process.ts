/** Trains one run of a sweep in a process of its own. The process begins the run, or resumes it where an earlier process left it. */

import { fork } from "node:child_process";
import { readdir } from "node:fs/promises";
import { createInterface } from "node:readline";
import { DataError, type SeparableError } from "../../../core/errors.ts";
import { remove } from "../../../core/node/files.ts";
import { lockHolder } from "../../../train/node/folder-lock.ts";
import type { EpochMetrics } from "../../../train/trainer.ts";
import { Interruption } from "../../interruption.ts";
import { type SweepRun, toArguments } from "./sweep-plan.ts";

export interface TrainProcessOptions {
  /** Stops the run after its step. The run saves itself. */
  readonly signal: AbortSignal;
  /** Threads of the wasm backend. */
  readonly threads: number;
  readonly onEpoch: (metrics: EpochMetrics) => void;
  /** The path of the program `separable` (`dist/cli/main.js`). */
  readonly program: string;
}

/** How long a sweep waits for a locked folder. The process of a killed sweep lives until its step is over, and may still hold the lock. */
const patience = { tries: 600, milliseconds: 100 } as const;

/**
 * Trains `run` in `folder` up to its end. Steps that a checkpoint in the folder has are not repeated.
 *
 * @throws DataError when the run fails, the reason of the signal when it is aborted.
 */
export async function trainInProcess(run: SweepRun, folder: string, options: TrainProcessOptions): Promise<void> {
  await waitForLock(folder, options.signal);
  const begun = await canResume(folder);
  // A run that was killed before its first checkpoint cannot be resumed, and its folder would block a new run.
  if (!begun) await remove(folder);
  // The option --threads also selects the wasm backend. Runs side by side must not compete for one device.
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

/** Waits until no process writes the folder. @throws DataError when the folder stays locked. */
async function waitForLock(folder: string, signal: AbortSignal): Promise<void> {
  for (let tries = 0; tries < patience.tries; tries++) {
    signal.throwIfAborted();
    if ((await lockHolder(folder)) === undefined) return;
    await new Promise((resolve) => setTimeout(resolve, patience.milliseconds));
  }
  throw new DataError(`sweep: ${folder} must be free, got a lock of ${await lockHolder(folder)}; stop that process`);
}

function runProgram(argv: readonly string[], id: string, { signal, onEpoch, program }: TrainProcessOptions): Promise<void> {
  // A detached process does not get the Ctrl-C of the terminal, only the signal that `stop` sends. Two signals would end it before it has
  // saved.
  const child = fork(program, ["train", ...argv, "--json", "--no-progress"], { stdio: ["ignore", "pipe", "pipe", "ipc"], detached: true });
  const stop = (): void => void child.kill("SIGTERM");
  signal.addEventListener("abort", stop, { once: true });
  let errors = "";
  child.stderr!.setEncoding("utf8").on("data", (text: string) => {
    errors = (errors + text).slice(-20_000);
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
      else reject(failure(id, code ?? killed, errors));
    });
  });
}

/** The error of a process that failed, with the error that the process wrote to stderr. */
function failure(id: string, ending: number | NodeJS.Signals | null, errors: string): SeparableError | Interruption {
  if (ending === Interruption.exitCode) return new Interruption(`${id} was interrupted`);
  return new DataError(`sweep: ${id} must run to its end, got exit ${ending}: ${lastError(errors) || "no message"}`);
}

/** The last line of stderr. The program writes its error there as JSON, and Node writes text there when it ends the process itself. */
function lastError(errors: string): string {
  const last = errors.trim().split("\n").at(-1) ?? "";
  try {
    const { error } = JSON.parse(last) as { readonly error: { readonly name: string; readonly message: string } };
    return `${error.name}: ${error.message}`;
  } catch (cause) {
    if (cause instanceof SyntaxError) return last;
    throw cause;
  }
}
