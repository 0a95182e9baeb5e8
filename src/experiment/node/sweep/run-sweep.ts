/** A sweep from the first run to the last: a line of results for each that ends, and nothing done twice. Who trains them is the engine's affair. */

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { lockFolder } from "../../../train/node/folder-lock.ts";
import type { EpochMetrics } from "../../../train/trainer.ts";
import type { SweepRun } from "./sweep-plan.ts";
import { type SweepResult, SweepResults } from "./sweep-results.ts";

export interface SweepReporter {
  begin(counts: { readonly runs: number; readonly finished: number }): void;
  runBegins(run: SweepRun): void;
  epoch(run: SweepRun, metrics: EpochMetrics): void;
  runEnds(result: SweepResult, counts: { readonly runs: number; readonly finished: number }): void;
  runFails(run: SweepRun, error: Error): void;
}

/** What an engine is given, and whom it tells. */
export interface SweepWork {
  readonly out: string;
  /** Runs without a line of results, in the file's order. */
  readonly waiting: readonly SweepRun[];
  /** The others. */
  readonly finished: readonly SweepRun[];
  readonly signal: AbortSignal;
  runBegins(run: SweepRun): void;
  epoch(run: SweepRun, metrics: EpochMetrics): void;
  /** Resolves when the run's line is on the disk. */
  runEnds(result: SweepResult): Promise<void>;
  runFails(run: SweepRun, error: Error): void;
}

/** Trains what waits: this machine's processes, or workers elsewhere. @throws the signal's reason when stopped. */
export type SweepEngine = (work: SweepWork) => Promise<void>;

export interface SweepOptions {
  readonly out: string;
  readonly engine: SweepEngine;
  readonly signal: AbortSignal;
  readonly reporter: SweepReporter;
}

export const runFolderOf = (out: string, { id }: SweepRun): string => join(out, "runs", id);

/**
 * Trains what has no line of results yet. A run that fails is reported and does not stop the others.
 * @returns the runs that failed. @throws ConfigError when another sweep writes the same folder, the signal's reason when stopped.
 */
export async function runSweep(runs: readonly SweepRun[], { out, engine, signal, reporter }: SweepOptions): Promise<SweepRun[]> {
  await mkdir(out, { recursive: true });
  const unlock = await lockFolder(out);
  try {
    const results = await SweepResults.open(join(out, "results.jsonl"));
    const hasEnded = ({ id }: SweepRun): boolean => results.has(id);
    const counts = (): { runs: number; finished: number } => ({ runs: runs.length, finished: runs.filter(hasEnded).length });
    reporter.begin(counts());
    const failed: SweepRun[] = [];
    let writing: Promise<void> = Promise.resolve();
    await engine({
      out,
      waiting: runs.filter((run) => !hasEnded(run)),
      finished: runs.filter(hasEnded),
      signal,
      runBegins: reporter.runBegins,
      epoch: reporter.epoch,
      runEnds: async (result) => {
        // Lines are written one after another: each writes the whole file.
        writing = writing.then(() => results.add(result));
        await writing;
        reporter.runEnds(result, counts());
      },
      runFails: (run, error) => {
        failed.push(run);
        reporter.runFails(run, error);
      },
    });
    return failed;
  } finally {
    await unlock();
  }
}
