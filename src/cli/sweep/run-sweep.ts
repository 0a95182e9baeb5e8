/** A sweep on one machine: so many processes at a time, a line of results for each run that ends, and nothing done twice. */

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { lockFolder } from "../../train/node/folder-lock.ts";
import type { EpochMetrics } from "../../train/trainer.ts";
import { openRun, summarise } from "./run-summary.ts";
import type { SweepRun } from "./sweep-plan.ts";
import { type SweepResult, SweepResults } from "./sweep-results.ts";
import { trainInProcess } from "./train-process.ts";

export interface SweepReporter {
  begin(counts: { readonly runs: number; readonly finished: number }): void;
  runBegins(run: SweepRun): void;
  epoch(run: SweepRun, metrics: EpochMetrics): void;
  runEnds(result: SweepResult, counts: { readonly runs: number; readonly finished: number }): void;
  runFails(run: SweepRun, error: Error): void;
}

export interface SweepOptions {
  readonly out: string;
  /** Processes at a time. */
  readonly jobs: number;
  /** Of each process. */
  readonly threads: number;
  readonly signal: AbortSignal;
  readonly reporter: SweepReporter;
}

export const runFolderOf = (out: string, { id }: SweepRun): string => join(out, "runs", id);

/** The line of a run that has ended. */
export async function resultOf(run: SweepRun, out: string): Promise<SweepResult> {
  const path = runFolderOf(out, run);
  return { id: run.id, ...summarise(await openRun(path)), run: path };
}

/**
 * Trains what has no line of results yet. A run that fails is reported and does not stop the others.
 * @returns the runs that failed. @throws ConfigError when another sweep writes the same folder, the signal's reason when stopped.
 */
export async function runSweep(runs: readonly SweepRun[], { out, jobs, threads, signal, reporter }: SweepOptions): Promise<SweepRun[]> {
  await mkdir(out, { recursive: true });
  const unlock = await lockFolder(out);
  try {
    const results = await SweepResults.open(join(out, "results.jsonl"));
    const waiting = runs.filter(({ id }) => !results.has(id));
    const failed: SweepRun[] = [];
    const counts = (): { runs: number; finished: number } => ({
      runs: runs.length,
      finished: runs.filter(({ id }) => results.has(id)).length,
    });
    reporter.begin(counts());
    const finish = async (run: SweepRun): Promise<void> => {
      const result = await resultOf(run, out);
      // Lines are written one after another: each writes the whole file.
      writing = writing.then(() => results.add(result));
      await writing;
      reporter.runEnds(result, counts());
    };
    let writing: Promise<void> = Promise.resolve();
    const worker = async (): Promise<void> => {
      for (let run = waiting.shift(); run !== undefined; run = waiting.shift()) {
        signal.throwIfAborted();
        const current = run;
        reporter.runBegins(run);
        try {
          await trainInProcess(run, runFolderOf(out, run), { signal, threads, onEpoch: (metrics) => reporter.epoch(current, metrics) });
          await finish(run);
        } catch (error) {
          signal.throwIfAborted();
          if (!(error instanceof Error)) throw error;
          failed.push(run);
          reporter.runFails(run, error);
        }
      }
    };
    const ends = await Promise.allSettled(Array.from({ length: Math.min(jobs, Math.max(1, waiting.length)) }, worker));
    const broken = ends.find((end) => end.status === "rejected");
    if (broken !== undefined) throw broken.reason;
    return failed;
  } finally {
    await unlock();
  }
}
