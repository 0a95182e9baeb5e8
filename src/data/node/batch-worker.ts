/** The worker thread behind `prefetchBatches`: prepares the batches it is asked for and hands their memory over. */

import { parentPort, workerData } from "node:worker_threads";
import { planEpoch } from "../batches.ts";
import type { BatchRequest, BatchWorkerData } from "./prefetch-batches.ts";

const { dataset, split, options } = workerData as BatchWorkerData;
const epoch = planEpoch(dataset, split, options);
parentPort?.on("message", ({ index }: BatchRequest) => {
  const batch = epoch.prepare(index);
  parentPort?.postMessage(batch, [batch.images.buffer, batch.labels.buffer]);
});
