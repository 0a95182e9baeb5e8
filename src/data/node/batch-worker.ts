/** The worker thread of `prefetchBatches`. It prepares the requested batches and transfers their memory to the calling thread. */

import { parentPort, workerData } from "node:worker_threads";
import { planEpoch } from "../batches.ts";
import type { BatchRequest, BatchWorkerData } from "./prefetch-batches.ts";

const { dataset, split, options } = workerData as BatchWorkerData;
const epoch = planEpoch(dataset, split, options);
parentPort?.on("message", ({ index }: BatchRequest) => {
  const batch = epoch.prepare(index);
  // `prepare` has just made both arrays, so their memory is not shared.
  parentPort?.postMessage(batch, [batch.images.buffer as ArrayBuffer, batch.labels.buffer as ArrayBuffer]);
});
