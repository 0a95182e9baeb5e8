/** Batches of many epochs, prepared ahead by worker threads that live from epoch to epoch. */

import { ConfigError } from "../../core/errors.ts";
import { checkOptions } from "../../core/options.ts";
import type { Batch, EpochOptions } from "../batches.ts";
import { type Dataset, isStreamed, type SplitName } from "../dataset.ts";
import { batchesAhead, type EpochSource } from "./batches-ahead.ts";
import { BatchWorker } from "./memory-batches.ts";
import { type BatchLoaderOptions, batchLoaderOptions, siblingWorker, startWorker, warnOfMainThread } from "./prefetch-options.ts";
import { checkWorkers, DecodingWorkers } from "./stream-batches.ts";

const defaultDepth = 2;

/**
 * Prepares batches ahead of their use, epoch after epoch. Its worker threads start with the first batch and live until `close`, so an epoch
 * does not wait for threads to start and to compile their code. An idle worker does not keep the process alive.
 *
 * Of images in memory, the batches are those of `epochBatches`, bit for bit, and one worker prepares them. The images of a streamed set are
 * decoded by several workers. Their number does not change the bits.
 * @throws ConfigError for a wrong option.
 */
export class BatchLoader {
  readonly #dataset: Dataset;
  readonly #options: BatchLoaderOptions;
  #workers: BatchWorker | DecodingWorkers | undefined;

  constructor(dataset: Dataset, options: BatchLoaderOptions = {}) {
    checkOptions("BatchLoader", options, batchLoaderOptions);
    const { depth = defaultDepth, workers } = options;
    if (!Number.isInteger(depth) || depth < 1) throw new ConfigError(`BatchLoader: depth must be an integer ≥ 1, got ${depth}`);
    checkWorkers("BatchLoader", workers);
    this.#dataset = dataset;
    this.#options = options;
  }

  /**
   * The batches of an epoch, from `startBatch` on. The caller owns each batch, unless `reuse` is set. When no worker can run, the calling
   * thread prepares the batches.
   * @throws ConfigError at once, before the first batch. The batches of a streamed set throw a DataError for an image that can't be decoded.
   */
  batches(split: SplitName, options: EpochOptions): AsyncGenerator<Batch, void, void> {
    const { depth = defaultDepth, onMainThread = warnOfMainThread } = this.#options;
    return batchesAhead(this.#epoch(split, options), depth, onMainThread);
  }

  /** Ends the workers. Batches that are asked for later start them again. */
  async close(): Promise<void> {
    const workers = this.#workers;
    this.#workers = undefined;
    await workers?.close();
  }

  #epoch(split: SplitName, options: EpochOptions): EpochSource {
    // After a failure, the next epoch tries new workers.
    if (this.#workers === undefined || this.#workers.failed) this.#workers = this.#newWorkers();
    return this.#workers.epoch(split, options, this.#options.depth ?? defaultDepth);
  }

  #newWorkers(): BatchWorker | DecodingWorkers {
    const dataset = this.#dataset;
    const { workers, workerUrl } = this.#options;
    return isStreamed(dataset)
      ? new DecodingWorkers(dataset, workers, () => startWorker(workerUrl ?? siblingWorker("decode-worker"), undefined))
      : new BatchWorker(dataset, (data) => startWorker(workerUrl ?? siblingWorker("batch-worker"), data));
  }
}
