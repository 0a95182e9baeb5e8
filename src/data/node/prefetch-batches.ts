/** Batches prepared ahead on a worker thread, so that training does not wait for augmentation. */

import { Worker } from "node:worker_threads";
import { ConfigError } from "../../core/errors.ts";
import { type Batch, type Epoch, type EpochOptions, planEpoch } from "../batches.ts";
import type { ImageDataset, SplitName } from "../dataset.ts";
import { describeError } from "./system-error.ts";

export interface PrefetchOptions extends EpochOptions {
  /** How many batches may be ready or under way at once. */
  readonly depth?: number;
  /** Told when the worker cannot serve and the calling thread prepares the batches instead; by default a process warning. */
  readonly onMainThread?: (reason: string) => void;
  /** The worker's module, for programs that bundle this library. */
  readonly workerUrl?: URL;
}

/** What the worker is started with. */
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

/** The worker stands beside this module, compiled or not; a runtime that cannot run TypeScript refuses the source. */
const siblingWorker = (): URL => new URL(`./batch-worker${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url);

/**
 * The same batches as `epochBatches`, bit for bit, prepared up to `depth` ahead on a worker thread that shares the images' memory.
 * Each batch is the caller's to keep. Leaving the loop early ends the worker, and an idle worker does not keep the process alive.
 * @throws ConfigError at once, before the first batch.
 */
export function prefetchBatches(dataset: ImageDataset, split: SplitName, options: PrefetchOptions): AsyncGenerator<Batch, void, void> {
  const { depth = 2, onMainThread = warnOfMainThread, workerUrl = siblingWorker(), ...epochOptions } = options;
  if (!Number.isInteger(depth) || depth < 1) throw new ConfigError(`prefetchBatches: depth must be an integer ≥ 1, got ${depth}`);
  const epoch = planEpoch(dataset, split, epochOptions);
  return prefetch(epoch, () => startWorker(workerUrl, dataset, split, epochOptions), depth, onMainThread);
}

function startWorker(url: URL, dataset: ImageDataset, split: SplitName, options: EpochOptions): Worker {
  // The other split stays here: memory that is not shared would be copied for nothing.
  const empty = { images: new Uint8Array(0), labels: new Uint8Array(0), count: 0 };
  const sent = { ...dataset, train: empty, test: empty, [split]: dataset[split] };
  return new Worker(url, { workerData: { dataset: sent, split, options } satisfies BatchWorkerData });
}

async function* prefetch(
  epoch: Epoch,
  start: () => Worker,
  depth: number,
  onMainThread: (reason: string) => void,
): AsyncGenerator<Batch, void, void> {
  let index = epoch.startBatch;
  if (index >= epoch.batchCount) return;
  let source: WorkerBatches | undefined;
  try {
    source = new WorkerBatches(start());
    let requested = index;
    for (; index < epoch.batchCount; index++) {
      for (; requested < Math.min(index + depth, epoch.batchCount); requested++) source.request(requested);
      const batch = await source.next();
      yield batch;
    }
    return;
  } catch (error) {
    if (!(error instanceof WorkerFailure) && source) throw error;
    // Every batch is decided by its index, so the calling thread goes on where the worker stopped and the bits are the same.
    onMainThread(describeError(error));
  } finally {
    await source?.close();
  }
  for (; index < epoch.batchCount; index++) yield epoch.prepare(index);
}

class WorkerFailure extends Error {}

/** A worker's batches in the order they were asked for. */
class WorkerBatches {
  readonly #worker: Worker;
  readonly #ready: Batch[] = [];
  #failure: WorkerFailure | undefined;
  #wake: (() => void) | undefined;

  constructor(worker: Worker) {
    this.#worker = worker;
    const fail = (reason: string): void => {
      this.#failure ??= new WorkerFailure(reason);
      this.#wake?.();
    };
    worker.on("message", (batch: Batch) => {
      this.#ready.push(batch);
      this.#wake?.();
    });
    worker.on("error", (error) => fail(`the worker failed: ${describeError(error)}`));
    worker.on("exit", (code) => fail(`the worker ended with code ${code}`));
    worker.unref();
  }

  request(index: number): void {
    this.#worker.postMessage({ index } satisfies BatchRequest);
  }

  async next(): Promise<Batch> {
    if (this.#ready.length === 0 && !this.#failure) {
      // Only a wait keeps the process alive: nothing else might.
      this.#worker.ref();
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
      this.#worker.unref();
    }
    const batch = this.#ready.shift();
    if (batch) return batch;
    throw this.#failure ?? new WorkerFailure("the worker sent nothing");
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }
}
