/** Batches of images that are decoded from files, ahead of their use, by worker threads. */

import { availableParallelism } from "node:os";
import type { Worker } from "node:worker_threads";
import { ConfigError } from "../../core/errors.ts";
import type { Batch } from "../batches.ts";
import { loadImageLibrary } from "./decode-image.ts";
import { DecodePool, PoolFailure } from "./decode-pool.ts";
import { createDecoder, type ImageTask, type StreamedEpoch } from "./streamed-epoch.ts";

/** Images in one request to a worker. So all workers share each batch, and a request takes some tenths of a second. */
const imagesPerRequest = 16;

export interface StreamOptions {
  readonly depth: number;
  readonly workers: number | undefined;
  readonly onMainThread: (reason: string) => void;
  readonly start: () => Worker;
}

/** @throws ConfigError unless `workers` is an integer ≥ 1. */
export function checkWorkers(workers: number | undefined): void {
  if (workers !== undefined && (!Number.isInteger(workers) || workers < 1))
    throw new ConfigError(`prefetchBatches: workers must be an integer ≥ 1, got ${workers}`);
}

/** The batches of `epoch`. At most depth + 1 of them are in memory: the one in use, and those ahead. */
export async function* streamBatches(epoch: StreamedEpoch, options: StreamOptions): AsyncGenerator<Batch, void, void> {
  const { batchCount, startBatch, settings } = epoch;
  const { depth, onMainThread, start, workers = Math.min(8, Math.max(1, availableParallelism() - 1)) } = options;
  if (startBatch >= batchCount) return;
  await loadImageLibrary();
  // More workers than requests would be idle.
  const requests = Math.ceil(epoch.tasksOf(startBatch).length / imagesPerRequest) * Math.min(depth + 1, batchCount - startBatch);
  const pool = new DecodePool(Math.min(workers, requests), start);
  let index = startBatch;
  try {
    const ahead: Promise<Batch>[] = [];
    for (let requested = index; index < batchCount; index++) {
      for (; requested <= Math.min(index + depth, batchCount - 1); requested++) ahead.push(decodeBatch(epoch, requested, pool));
      yield await pool.waitFor(ahead.shift()!);
    }
    return;
  } catch (error) {
    if (!(error instanceof PoolFailure)) throw error;
    onMainThread(error.message);
  } finally {
    await pool.close();
  }
  // An image depends on its position only. So the calling thread continues where the workers stopped, with the same bits.
  const decode = createDecoder(settings);
  for (; index < batchCount; index++) yield epoch.batchOf(index, await decode(epoch.tasksOf(index)));
}

/** One batch, decoded in pieces by all workers. */
function decodeBatch(epoch: StreamedEpoch, index: number, pool: DecodePool): Promise<Batch> {
  const tasks = epoch.tasksOf(index);
  const pieces: Promise<Float32Array>[] = [];
  for (let first = 0; first < tasks.length; first += imagesPerRequest)
    pieces.push(pool.decode(tasks.slice(first, first + imagesPerRequest)));
  const batch = Promise.all(pieces).then((parts) => epoch.batchOf(index, joined(parts, tasks, epoch)));
  // A caller that leaves early awaits no batch.
  batch.catch(() => undefined);
  return batch;
}

function joined(parts: readonly Float32Array[], tasks: readonly ImageTask[], { settings }: StreamedEpoch): Float32Array<ArrayBuffer> {
  const { channels, height, width } = settings.facts;
  const images = new Float32Array(tasks.length * channels * height * width);
  let at = 0;
  for (const part of parts) {
    images.set(part, at);
    at += part.length;
  }
  return images;
}
