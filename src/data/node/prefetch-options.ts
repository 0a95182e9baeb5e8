/** Options that all ways to prepare batches ahead share, and how their workers are started. */

import { Worker } from "node:worker_threads";
import { type OptionNames, optionNames } from "../../core/options.ts";
import { type EpochOptions, epochOptions } from "../batches.ts";

export interface BatchLoaderOptions {
  /** How many batches are prepared ahead of the batch in use. Default: 2. */
  readonly depth?: number | undefined;
  /** The largest number of threads that decode the images of a streamed set. Default: one less than the cores, from 1 to 8. */
  readonly workers?: number | undefined;
  /** Called when no worker can run. The calling thread prepares the batches instead. Default: a process warning. */
  readonly onMainThread?: ((reason: string) => void) | undefined;
  /** The module of the worker, for programs that bundle this library. Default: `batch-worker` or `decode-worker` beside this module. */
  readonly workerUrl?: URL | undefined;
}

/** The names of `BatchLoaderOptions`. */
export const batchLoaderOptions: OptionNames = optionNames<BatchLoaderOptions>({
  depth: true,
  workers: true,
  onMainThread: true,
  workerUrl: true,
});

export interface PrefetchOptions extends EpochOptions, BatchLoaderOptions {}

/** The names of `PrefetchOptions`. */
export const prefetchOptions: OptionNames = { ...epochOptions, ...batchLoaderOptions };

export const warnOfMainThread = (reason: string): void =>
  process.emitWarning(`batches are prepared on the main thread: ${reason}`, "SeparableWarning");

/** A worker's module, which is compiled where this module is. A runtime that cannot run TypeScript refuses the source. */
export const siblingWorker = (name: string): URL => new URL(`./${name}${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url);

export function startWorker(url: URL, workerData: unknown): Worker {
  // A worker inherits the arguments of Node. It is a file, and it does not start with --input-type, which is for programs on the command
  // line.
  const execArgv = process.execArgv.filter((argument) => !argument.startsWith("--input-type"));
  return new Worker(url, { workerData, execArgv });
}
