/** Counts the worker threads that a test starts. */

import type { Worker } from "node:worker_threads";
import { onTestFinished } from "vitest";

/** The workers that the running test has started, and those of them that have ended. */
export function watchWorkers(): { started: number; ended: number } {
  const counts = { started: 0, ended: 0 };
  const watch = (worker: Worker): void => {
    counts.started++;
    worker.once("exit", () => counts.ended++);
  };
  process.on("worker", watch);
  onTestFinished(() => void process.off("worker", watch));
  return counts;
}
