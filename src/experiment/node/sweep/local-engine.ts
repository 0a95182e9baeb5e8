/** Trains the runs of a sweep on this machine, several processes at a time. */

import { defaultTries, type RunLimits } from "./run-limits.ts";
import { openRun, summarise } from "./run-summary.ts";
import { runFolderOf, type SweepEngine } from "./run-sweep.ts";
import type { SweepRun } from "./sweep-run.ts";
import { trainInProcess } from "./train-process.ts";

export interface LocalEngineOptions extends RunLimits {
  /** How many processes run at a time. */
  readonly jobs: number;
  /** Threads of each process. */
  readonly threads: number;
  /** The path of the program `separable` (`dist/cli/main.js`). */
  readonly program: string;
}

export const localEngine =
  ({ jobs, threads, program, tries = defaultTries, timeLimit }: LocalEngineOptions): SweepEngine =>
  async ({ out, waiting, signal, runBegins, epoch, runEnds, runIsTriedAgain, runFails }) => {
    const train = async (run: SweepRun): Promise<void> => {
      const path = runFolderOf(out, run);
      runBegins(run);
      for (let left = tries - 1; ; left--)
        try {
          await trainInProcess(run, path, { root: out, signal, threads, program, timeLimit, onEpoch: (metrics) => epoch(run, metrics) });
          await runEnds({ id: run.id, ...summarise(await openRun(path)), run: path });
          return;
        } catch (error) {
          signal.throwIfAborted();
          if (!(error instanceof Error)) throw error;
          if (left === 0) return runFails(run, error);
          runIsTriedAgain(run, error);
        }
    };
    // All workers take from one iterator.
    const queue = waiting.values();
    const work = async (): Promise<void> => {
      for (const run of queue) {
        signal.throwIfAborted();
        await train(run);
      }
    };
    const ends = await Promise.allSettled(Array.from({ length: Math.min(jobs, waiting.length) }, work));
    const broken = ends.find((end) => end.status === "rejected");
    if (broken !== undefined) throw broken.reason;
  };
