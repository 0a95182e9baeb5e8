/** The batches of one epoch, prepared ahead of their use. */

import type { Batch } from "../batches.ts";
import { WorkerFailure } from "./worker-failure.ts";

/** Prepares the batches of one epoch. */
export interface EpochSource {
  readonly batchCount: number;
  readonly startBatch: number;
  /** Asks worker threads for a batch. It rejects with a WorkerFailure when they cannot work. */
  request(index: number): Promise<Batch>;
  /** Waits for a batch, and keeps the process alive meanwhile. */
  waitFor(batch: Promise<Batch>): Promise<Batch>;
  /** Forgets the requests that have not been answered. */
  forget(): void;
  /** The same bits from the calling thread. */
  prepareHere(index: number): Batch | Promise<Batch>;
}

/** The batches of an epoch, in order. At most depth + 1 of them are in memory: the one in use, and those ahead. */
export async function* batchesAhead(
  source: EpochSource,
  depth: number,
  onMainThread: (reason: string) => void,
): AsyncGenerator<Batch, void, void> {
  const { batchCount, startBatch } = source;
  const ahead: Promise<Batch>[] = [];
  let index = startBatch;
  try {
    for (let next = index; index < batchCount; index++) {
      for (; next <= Math.min(index + depth, batchCount - 1); next++) {
        const batch = source.request(next);
        // A caller that leaves early awaits no batch, and a rejection that nobody awaits would end the process.
        batch.catch(() => undefined);
        ahead.push(batch);
      }
      yield await source.waitFor(ahead.shift()!);
    }
    return;
  } catch (error) {
    if (!(error instanceof WorkerFailure)) throw error;
    onMainThread(error.message);
  } finally {
    source.forget();
  }
  // A batch depends on its index only. So the calling thread continues where the workers stopped.
  for (; index < batchCount; index++) yield source.prepareHere(index);
}
