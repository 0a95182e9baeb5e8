/** Trains one run of a sweep in a process of its own. The process begins the run, or resumes it where an earlier process left it. */

import { type ChildProcess, fork } from "node:child_process";
import { readdir } from "node:fs/promises";
import { createInterface } from "node:readline";
import { ConfigError, DataError, type SeparableError } from "../../../core/errors.ts";
import { visible } from "../../../core/quote.ts";
import { object, readJson, text } from "../../../core/schema.ts";
import { lockFolder } from "../../../train/node/folder-lock.ts";
import type { EpochMetrics } from "../../../train/progress.ts";
import { Interruption } from "../../interruption.ts";
import { familyArguments } from "../load-family.ts";
import { metricsInLine } from "./reported-epoch.ts";
import { checkWithin, removeUnbegunRun } from "./run-place.ts";
import { type SweepRun, toArguments } from "./sweep-run.ts";

export interface TrainProcessOptions {
  /** The folder that the folder of the run lies in. No link leads out of it. */
  readonly root: string;
  /** Stops the run after its step. The run saves itself. */
  readonly signal: AbortSignal;
  /** Threads of the wasm backend. */
  readonly threads: number;
  /** Seconds after which the process is stopped; undefined for no limit. */
  readonly timeLimit: number | undefined;
  readonly onEpoch: (metrics: EpochMetrics) => void;
  /** The path of the program `separable` (`dist/cli/main.js`). */
  readonly program: string;
}

/** How long a sweep waits for a locked folder. The process of a killed sweep lives until its step is over, and may still hold the lock. */
const patience = { tries: 600, milliseconds: 100 } as const;

/** Milliseconds that a process has to end its step and save when its time is over. Then it is killed. */
const grace = 30_000;

/** Variables of the environment that a process which trains does not need, and should not have. */
const secrets = ["REDIS_URL", "REDIS_USERNAME", "REDIS_PASSWORD"] as const;

/**
 * Trains `run` in `folder` up to its end. Steps that a checkpoint in the folder has are not repeated.
 *
 * @throws DataError when the run fails or takes longer than the time limit, the reason of the signal when it is aborted.
 */
export async function trainInProcess(run: SweepRun, folder: string, options: TrainProcessOptions): Promise<void> {
  await checkWithin(options.root, folder);
  const begun = await makeReady(folder, options.signal);
  // The process that is started next hears of a later signal only.
  options.signal.throwIfAborted();
  // The option --threads also selects the wasm backend. Runs side by side must not compete for one device.
  const { backend = "auto", threads } = run.explicit;
  const onWasm = backend === "auto" || backend === "wasm";
  const machine = onWasm && threads === undefined ? ["--threads", String(options.threads)] : [];
  const work = begun ? ["--resume", folder] : ["--preset", run.preset, "--run", folder, ...toArguments(run.explicit)];
  await runProgram([...work, ...machine, ...familyArguments()], run.id, options);
}

/** Waits until no other process writes the folder, and prepares it. @returns whether the folder has a run to resume. */
async function makeReady(folder: string, signal: AbortSignal): Promise<boolean> {
  for (let tries = 1; ; tries++) {
    signal.throwIfAborted();
    // A folder that does not exist has no lock.
    if ((await readdir(folder).catch(() => undefined)) === undefined) return false;
    try {
      const unlock = await lockFolder(folder);
      try {
        if ((await readdir(folder)).includes("config.json")) return true;
        await removeUnbegunRun(folder);
        return false;
      } finally {
        await unlock();
      }
    } catch (error) {
      // A ConfigError says that another process has the lock.
      if (!(error instanceof ConfigError) || tries === patience.tries) throw error;
      await new Promise((resolve) => setTimeout(resolve, patience.milliseconds));
    }
  }
}

/** The processes that are training. They do not outlive this process. */
const training = new Set<ChildProcess>();

/** Kills a process together with the processes that it started. A detached process leads a group of its own, which has its number. */
function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(process.platform === "win32" ? pid : -pid, "SIGKILL");
  } catch {
    // The process has ended meanwhile.
  }
}

const killAll = (): void => {
  for (const child of training) killGroup(child);
};

/** Starts the program, and has it killed when this process ends before it, as after a second Ctrl-C. */
function startProgram(program: string, argv: readonly string[]): ChildProcess {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !(secrets as readonly string[]).includes(name)));
  // A detached process does not get the Ctrl-C of the terminal, only the signal that `stop` sends. Two signals would end it before it has
  // saved.
  const child = fork(program, ["train", ...argv, "--json", "--no-progress"], {
    env,
    stdio: ["ignore", "pipe", "pipe", "ipc"],
    detached: true,
  });
  if (training.size === 0) process.on("exit", killAll);
  training.add(child);
  child.on("close", () => {
    training.delete(child);
    if (training.size === 0) process.off("exit", killAll);
  });
  return child;
}

function runProgram(argv: readonly string[], id: string, { signal, onEpoch, program, timeLimit }: TrainProcessOptions): Promise<void> {
  const child = startProgram(program, argv);
  const stop = (): void => void child.kill("SIGTERM");
  signal.addEventListener("abort", stop, { once: true });
  let late = false;
  const timers: NodeJS.Timeout[] = [];
  if (timeLimit !== undefined) {
    const end = (): void => {
      late = true;
      stop();
      timers.push(setTimeout(() => killGroup(child), grace));
    };
    timers.push(setTimeout(end, timeLimit * 1000));
  }
  let errors = "";
  child.stderr!.setEncoding("utf8").on("data", (more: string) => {
    errors = (errors + more).slice(-20_000);
  });
  createInterface({ input: child.stdout! }).on("line", (line) => {
    const metrics = metricsInLine(line);
    if (metrics !== undefined) onEpoch(metrics);
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, killed) => {
      signal.removeEventListener("abort", stop);
      for (const timer of timers) clearTimeout(timer);
      if (signal.aborted) reject(signal.reason);
      else if (code === 0) resolve();
      else if (late)
        reject(new DataError(`sweep: ${id} must end within ${timeLimit} s, got no end; raise --time-limit, or run the sweep again`));
      else reject(failure(id, code ?? killed, errors));
    });
  });
}

/** The error of a process that failed, with the error that the process wrote to stderr. */
function failure(id: string, ending: number | NodeJS.Signals | null, errors: string): SeparableError | Interruption {
  if (ending === Interruption.exitCode) return new Interruption(`${id} was interrupted`);
  return new DataError(`sweep: ${id} must run to its end, got exit ${ending}: ${lastError(errors) || "no message"}`);
}

const errorSchema = object({ error: object({ name: text, message: text }) });

/** The last line of stderr. The program writes its error there as JSON, and Node writes text there when it ends the process itself. */
function lastError(errors: string): string {
  const last = errors.trim().split("\n").at(-1) ?? "";
  try {
    const { error } = readJson(errorSchema, last, { source: "sweep: the error of a run" });
    return visible(`${error.name}: ${error.message}`, 2000);
  } catch (cause) {
    if (cause instanceof DataError) return visible(last, 2000);
    throw cause;
  }
}
