/** Prepares batches ahead of their use on a worker thread, so that training does not wait for augmentation. */

import { Worker } from "node:worker_threads";
import { ConfigError } from "../../core/errors.ts";
import { checkOptions, type OptionNames, optionNames } from "../../core/options.ts";
import { type Batch, type Epoch, type EpochOptions, planEpoch } from "../batches.ts";
import type { ImageDataset, SplitName } from "../dataset.ts";
import { describeError } from "./system-error.ts";

export interface PrefetchOptions extends EpochOptions {
  /** The number of batches to prepare ahead of the one in use. Default: 2. */
  readonly depth?: number;
  /** Called when the worker fails and the calling thread prepares the batches instead. Default: a process warning. */
  readonly onMainThread?: (reason: string) => void;
  /** The worker's module, for programs that bundle this library. Default: `batch-worker` beside this module. */
  readonly workerUrl?: URL;
}

/** The names of `PrefetchOptions`. */
export const prefetchOptions: OptionNames = optionNames<PrefetchOptions>({
  batchSize: true,
  seed: true,
  epoch: true,
  shuffle: true,
  dropLast: true,
  augment: true,
  startBatch: true,
  depth: true,
  onMainThread: true,
  workerUrl: true,
});

/** The data with which the worker is started. */
export interface BatchWorkerData {
  readonly dataset: ImageDataset;
  readonly split: SplitName;
  readonly options: EpochOptions;
}

export interface BatchRequest {
  readonly index: number;
}

const warnOfMainThread = (reason: string): void =>
  process.emitWarning(`batches are prepared on the main thread: ${reason}`, "SeparableWarning");

/** The worker's module, which is compiled where this module is. A runtime that cannot run TypeScript refuses the source. */
const siblingWorker = (): URL => new URL(`./batch-worker${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url);

/**
 * Yields the same batches as `epochBatches`, bit for bit. A worker thread, which shares the images' memory, prepares up to `depth` of them
 * ahead. The caller owns each batch. Leaving the loop early ends the worker, and an idle worker does not keep the process alive.
 * @throws ConfigError at once, before the first batch.
 */
export function prefetchBatches(dataset: ImageDataset, split: SplitName, options: PrefetchOptions): AsyncGenerator<Batch, void, void> {
  checkOptions("prefetchBatches", options, prefetchOptions);
  const { depth = 2, onMainThread = warnOfMainThread, workerUrl = siblingWorker(), ...epochOptions } = options;
  if (!Number.isInteger(depth) || depth < 1) throw new ConfigError(`prefetchBatches: depth must be an integer ≥ 1, got ${depth}`);
  const epoch = planEpoch(dataset, split, epochOptions);
  return prefetch(epoch, () => startWorker(workerUrl, dataset, split, epochOptions), depth, onMainThread);
}

function startWorker(url: URL, dataset: ImageDataset, split: SplitName, options: EpochOptions): Worker {
  // The worker gets one split only: memory that is not shared is copied.
  const empty = { images: new Uint8Array(0), labels: new Uint8Array(0), count: 0 };
  const sent = { ...dataset, train: empty, test: empty, [split]: dataset[split] };
  // A worker inherits the arguments of Node. It is a file, and it does not start with --input-type, which is for programs on the command
  // line.
  const execArgv = process.execArgv.filter((argument) => !argument.startsWith("--input-type"));
  return new Worker(url, { workerData: { dataset: sent, split, options } satisfies BatchWorkerData, execArgv });
}

async function* prefetch(
  epoch: Epoch,
  start: () => Worker,
  depth: number,
  onMainThread: (reason: string) => void,
): AsyncGenerator<Batch, void, void> {
  let index = epoch.startBatch;
  if (index >= epoch.batchCount) return;
  const worker = new WorkerBatches(start);
  try {
    for (let requested = index; index < epoch.batchCount; index++) {
      for (; requested <= Math.min(index + depth, epoch.batchCount - 1); requested++) worker.request(requested);
      const batch = await worker.next();
      if (!batch) break;
      yield batch;
    }
  } finally {
    await worker.close();
  }
  if (index === epoch.batchCount) return;
  onMainThread(worker.failure ?? "the worker sent nothing");
  // A batch depends on its index only. So the calling thread continues where the worker stopped, with the same bits.
  for (; index < epoch.batchCount; index++) yield epoch.prepare(index);
}

/** A worker's batches, in the order of the requests. */
class WorkerBatches {
  readonly #worker: Worker | undefined;
  readonly #ready: Batch[] = [];
  #failure: string | undefined;
  #wake: (() => void) | undefined;

  constructor(start: () => Worker) {
    try {
      this.#worker = start();
    } catch (error) {
      this.#failure = describeError(error);
      return;
    }
    const fail = (reason: string): void => {
      this.#failure ??= reason;
      this.#wake?.();
    };
    this.#worker.on("message", (batch: Batch) => {
      this.#ready.push(batch);
      this.#wake?.();
    });
    this.#worker.on("error", (error) => fail(`the worker failed: ${describeError(error)}`));
    this.#worker.on("exit", (code) => fail(`the worker ended with code ${code}`));
  }

  /** Why the worker has failed; undefined while it works. */
  get failure(): string | undefined {
    return this.#failure;
  }

  request(index: number): void {
    this.#worker?.postMessage({ index } satisfies BatchRequest);
  }

  /** The next batch; undefined when the worker has failed. */
  async next(): Promise<Batch | undefined> {
    if (this.#ready.length === 0 && this.#failure === undefined) {
      // While a caller waits for a batch, the worker keeps the process alive.
      this.#worker?.ref();
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
      this.#worker?.unref();
    }
    return this.#ready.shift();
  }

  async close(): Promise<void> {
    await this.#worker?.terminate();
  }
}
