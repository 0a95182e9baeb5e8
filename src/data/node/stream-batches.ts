/** Batches of images that are decoded from files, by worker threads that decode the images of all epochs. */

import { availableParallelism } from "node:os";
import type { Worker } from "node:worker_threads";
import { ConfigError } from "../../core/errors.ts";
import { type Batch, batchRing, type EpochOptions } from "../batches.ts";
import type { SplitName, StreamedDataset } from "../dataset.ts";
import type { EpochSource } from "./batches-ahead.ts";
import { loadImageLibrary } from "./decode-image.ts";
import { DecodePool } from "./decode-pool.ts";
import { createDecoder, planStreamedEpoch, type StreamedEpoch } from "./streamed-epoch.ts";

/** Images in one request to a worker. So all workers share each batch, and a request takes some tenths of a second. */
const imagesPerRequest = 16;

/** @throws ConfigError unless `workers` is an integer ≥ 1. */
export function checkWorkers(op: string, workers: number | undefined): void {
  if (workers !== undefined && (!Number.isInteger(workers) || workers < 1))
    throw new ConfigError(`${op}: workers must be an integer ≥ 1, got ${workers}`);
}

/** The workers that decode the images of a streamed set. The first request starts them. */
export class DecodingWorkers {
  readonly #dataset: StreamedDataset;
  readonly #pool: DecodePool;

  /** @param workers The largest number of workers. Default: one less than the cores, from 1 to 8. */
  constructor(dataset: StreamedDataset, workers: number | undefined, start: () => Worker) {
    this.#dataset = dataset;
    this.#pool = new DecodePool(workers ?? Math.min(8, Math.max(1, availableParallelism() - 1)), start);
  }

  /** Whether the workers cannot work any more. */
  get failed(): boolean {
    return this.#pool.failed;
  }

  /** Lays out an epoch. @param depth How many batches are requested ahead of the one in use. @throws ConfigError */
  epoch(split: SplitName, options: EpochOptions, depth: number): EpochSource {
    const epoch = planStreamedEpoch(this.#dataset, split, options);
    const ring = batchRing(this.#dataset, split, options, depth);
    const { batchCount, startBatch, settings } = epoch;
    return {
      batchCount,
      startBatch,
      request: (index) => decodeBatch(epoch, index, this.#pool, ring?.[index % ring.length]),
      waitFor: (batch) => this.#pool.waitFor(batch),
      forget: () => this.#pool.forget(settings),
      prepareHere: async (index) => epoch.batchOf(index, await createDecoder(settings)(epoch.tasksOf(index))),
    };
  }

  /** Ends the workers after the images that they are decoding. */
  close(): Promise<void> {
    return this.#pool.close();
  }
}

/** One batch, decoded in pieces by all workers. @param memory Room for its images. Default: new memory. */
async function decodeBatch(epoch: StreamedEpoch, index: number, pool: DecodePool, memory?: Float32Array): Promise<Batch> {
  await loadImageLibrary();
  const tasks = epoch.tasksOf(index);
  const pieces: Promise<Float32Array>[] = [];
  for (let first = 0; first < tasks.length; first += imagesPerRequest)
    pieces.push(pool.decode(epoch.settings, tasks.slice(first, first + imagesPerRequest)));
  const { channels, height, width } = epoch.settings.facts;
  const size = tasks.length * channels * height * width;
  const images = memory?.subarray(0, size) ?? new Float32Array(size);
  let at = 0;
  for (const piece of await Promise.all(pieces)) {
    images.set(piece, at);
    at += piece.length;
  }
  return epoch.batchOf(index, images);
}
