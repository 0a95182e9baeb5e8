/** Runs a sweep: an engine trains the runs, and every run that ends gets a line of results. A run with a line is not trained again. */

import { join } from "node:path";
import { makeFolder } from "../../../core/node/files.ts";
import { lockFolder } from "../../../train/node/folder-lock.ts";
import type { EpochMetrics } from "../../../train/progress.ts";
import { type SweepResult, SweepResults } from "./sweep-results.ts";
import type { SweepRun } from "./sweep-run.ts";

/** All runs of a sweep, and how many of them have a line of results. */
export interface SweepCounts {
  readonly runs: number;
  readonly finished: number;
}

/** What a sweep reports while it works. */
export interface SweepObserver {
  begin(counts: SweepCounts): void;
  runBegins(run: SweepRun): void;
  epoch(run: SweepRun, metrics: EpochMetrics): void;
  runEnds(result: SweepResult, counts: SweepCounts): void;
  /** A try has failed, and another one begins. Default: nothing is said. */
  runIsTriedAgain?(run: SweepRun, error: Error): void;
  runFails(run: SweepRun, error: Error): void;
  /** Something that the user should know. Default: nothing is said. */
  note?(note: string): void;
}

/** The runs that an engine trains, and the methods by which it reports. */
export interface SweepWork {
  readonly out: string;
  /** Runs without a line of results, in the order of the grid. */
  readonly waiting: readonly SweepRun[];
  /** Runs with a line of results. */
  readonly finished: readonly SweepRun[];
  readonly signal: AbortSignal;
  runBegins(run: SweepRun): void;
  epoch(run: SweepRun, metrics: EpochMetrics): void;
  /** Resolves when the line of the run is on the disk. */
  runEnds(result: SweepResult): Promise<void>;
  runIsTriedAgain(run: SweepRun, error: Error): void;
  runFails(run: SweepRun, error: Error): void;
}

/** Trains the waiting runs, in processes of this machine or by workers elsewhere. @throws the reason of the signal when it is aborted. */
export type SweepEngine = (work: SweepWork) => Promise<void>;

export interface SweepOptions {
  /** The folder of the runs and of results.jsonl. */
  readonly out: string;
  readonly engine: SweepEngine;
  readonly signal: AbortSignal;
  readonly observer: SweepObserver;
}

/** The folder of a run in the folder of its sweep. */
export const runFolderOf = (out: string, { id }: SweepRun): string => join(out, "runs", id);

/**
 * Trains all runs that have no line of results yet. A run that fails is reported and does not stop the others.
 *
 * @returns the runs that failed.
 * @throws ConfigError when another sweep writes the same folder, the reason of the signal when it is aborted.
 */
export async function runSweep(runs: readonly SweepRun[], { out, engine, signal, observer }: SweepOptions): Promise<SweepRun[]> {
  await makeFolder(out);
  const unlock = await lockFolder(out);
  try {
    const results = await SweepResults.open(join(out, "results.jsonl"), (note) => observer.note?.(note));
    const finished = runs.filter(({ id }) => results.has(id));
    const waiting = runs.filter(({ id }) => !results.has(id));
    let ended = finished.length;
    const counts = (): SweepCounts => ({ runs: runs.length, finished: ended });
    observer.begin(counts());
    const failed: SweepRun[] = [];
    let writing: Promise<void> = Promise.resolve();
    await engine({
      out,
      waiting,
      finished,
      signal,
      runBegins: observer.runBegins,
      epoch: observer.epoch,
      runEnds: async (result) => {
        // Lines are written one after another. A line that could not be written does not keep the next ones from being tried.
        const added = writing.then(() => results.add(result));
        writing = added.catch(() => undefined);
        await added;
        ended++;
        observer.runEnds(result, counts());
      },
      runIsTriedAgain: (run, error) => observer.runIsTriedAgain?.(run, error),
      runFails: (run, error) => {
        failed.push(run);
        observer.runFails(run, error);
      },
    });
    return failed;
  } finally {
    await unlock();
  }
}
