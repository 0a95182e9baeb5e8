/** Batches prepared ahead on worker threads, so that training does not wait for decoding and augmentation. */

import type { Worker } from "node:worker_threads";
import { ConfigError } from "../../core/errors.ts";
import { describeError } from "../../core/node/system-error.ts";
import { checkOptions } from "../../core/options.ts";
import { type Batch, type Epoch, type EpochOptions, planEpoch } from "../batches.ts";
import { type Dataset, type ImageDataset, isStreamed, type SplitName } from "../dataset.ts";
import { type PrefetchOptions, prefetchOptions, siblingWorker, startWorker, warnOfMainThread } from "./prefetch-options.ts";
import { checkWorkers, streamBatches } from "./stream-batches.ts";
import { planStreamedEpoch } from "./streamed-epoch.ts";

/** The data with which the worker is started. */
export interface BatchWorkerData {
  readonly dataset: ImageDataset;
  readonly split: SplitName;
  readonly options: EpochOptions;
}

export interface BatchRequest {
  readonly index: number;
}

/**
 * Prepares up to `depth` batches ahead of the one in use. The caller owns each batch. Leaving the loop early ends the workers, and an idle
 * worker does not keep the process alive.
 *
 * Of images in memory, these are the batches of `epochBatches`, bit for bit, and one worker prepares them. The images of a streamed set are
 * decoded by several workers. Their number does not change the bits.
 * @throws ConfigError at once, before the first batch. The batches of a streamed set throw a DataError for an image that can't be decoded.
 */
export function prefetchBatches(dataset: Dataset, split: SplitName, options: PrefetchOptions): AsyncGenerator<Batch, void, void> {
  checkOptions("prefetchBatches", options, prefetchOptions);
  const { depth = 2, workers, onMainThread = warnOfMainThread, workerUrl, ...epochOptions } = options;
  if (!Number.isInteger(depth) || depth < 1) throw new ConfigError(`prefetchBatches: depth must be an integer ≥ 1, got ${depth}`);
  checkWorkers(workers);
  if (isStreamed(dataset)) {
    const epoch = planStreamedEpoch(dataset, split, epochOptions);
    const start = (): Worker => startWorker(workerUrl ?? siblingWorker("decode-worker"), epoch.settings);
    return streamBatches(epoch, { depth, workers, onMainThread, start });
  }
  const epoch = planEpoch(dataset, split, epochOptions);
  const start = (): Worker => startWorker(workerUrl ?? siblingWorker("batch-worker"), workerDataOf(dataset, split, epochOptions));
  return prefetch(epoch, start, depth, onMainThread);
}

/** The worker gets one split only: memory that is not shared is copied. */
function workerDataOf(dataset: ImageDataset, split: SplitName, options: EpochOptions): BatchWorkerData {
  const empty = { images: new Uint8Array(0), labels: new Uint8Array(0), count: 0 };
  return { dataset: { ...dataset, train: empty, test: empty, [split]: dataset[split] }, split, options };
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
