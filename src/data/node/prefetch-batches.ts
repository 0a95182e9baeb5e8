/** The batches of one epoch, prepared ahead on worker threads, so that training does not wait for decoding and augmentation. */

import { checkOptions } from "../../core/options.ts";
import type { Batch } from "../batches.ts";
import type { Dataset, SplitName } from "../dataset.ts";
import { BatchLoader } from "./batch-loader.ts";
import { type PrefetchOptions, prefetchOptions } from "./prefetch-options.ts";

/**
 * Prepares up to `depth` batches ahead of the one in use, as a `BatchLoader` for one epoch. The caller owns each batch, unless `reuse` is
 * set. Leaving the loop early ends the workers, and an idle worker does not keep the process alive. A loop over several epochs is faster
 * with a `BatchLoader`, whose workers live from epoch to epoch.
 * @throws ConfigError at once, before the first batch. The batches of a streamed set throw a DataError for an image that can't be decoded.
 */
export function prefetchBatches(dataset: Dataset, split: SplitName, options: PrefetchOptions): AsyncGenerator<Batch, void, void> {
  checkOptions("prefetchBatches", options, prefetchOptions);
  const { depth, workers, onMainThread, workerUrl, ...epoch } = options;
  const loader = new BatchLoader(dataset, { depth, workers, onMainThread, workerUrl });
  return closing(loader, loader.batches(split, epoch));
}

/** The batches. The workers of the loader end with them. */
async function* closing(loader: BatchLoader, batches: AsyncGenerator<Batch, void, void>): AsyncGenerator<Batch, void, void> {
  try {
    yield* batches;
  } finally {
    await loader.close();
  }
}
