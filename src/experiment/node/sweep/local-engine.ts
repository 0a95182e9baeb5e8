/** Trains the runs of a sweep on this machine, several processes at a time. */

import { openRun, summarise } from "./run-summary.ts";
import { runFolderOf, type SweepEngine } from "./run-sweep.ts";
import { trainInProcess } from "./train-process.ts";

export interface LocalEngineOptions {
  /** How many processes run at a time. */
  readonly jobs: number;
  /** Threads of each process. */
  readonly threads: number;
  /** The path of the program `separable` (`dist/cli/main.js`). */
  readonly program: string;
}

export const localEngine =
  ({ jobs, threads, program }: LocalEngineOptions): SweepEngine =>
  async ({ out, waiting, signal, runBegins, epoch, runEnds, runFails }) => {
    const queue = [...waiting];
    const worker = async (): Promise<void> => {
      for (let run = queue.shift(); run !== undefined; run = queue.shift()) {
        signal.throwIfAborted();
        const current = run;
        const path = runFolderOf(out, run);
        runBegins(run);
        try {
          await trainInProcess(run, path, { signal, threads, program, onEpoch: (metrics) => epoch(current, metrics) });
          await runEnds({ id: run.id, ...summarise(await openRun(path)), run: path });
        } catch (error) {
          signal.throwIfAborted();
          if (!(error instanceof Error)) throw error;
          runFails(run, error);
        }
      }
    };
    const ends = await Promise.allSettled(Array.from({ length: Math.min(jobs, queue.length) }, worker));
    const broken = ends.find((end) => end.status === "rejected");
    if (broken !== undefined) throw broken.reason;
  };
