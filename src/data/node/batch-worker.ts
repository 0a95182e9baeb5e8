/** The worker thread of `BatchWorker`. It prepares the requested batches, in shared memory or in memory that goes to the calling thread. */

import { parentPort, workerData } from "node:worker_threads";
import { type Epoch, planEpoch } from "../batches.ts";
import type { BatchReply, BatchWorkerData, BatchWorkerMessage } from "./memory-batches.ts";

let { dataset } = workerData as BatchWorkerData;
/** The epochs that have begun and not ended, by their numbers. */
const epochs = new Map<number, { readonly epoch: Epoch; readonly ring: readonly Float32Array[] | undefined }>();

function answer(number: number, index: number): void {
  const { epoch, ring } = epochs.get(number)!;
  const { images, ...batch } = epoch.prepare(index, ring?.[index % ring.length]);
  if (ring) parentPort?.postMessage(batch satisfies BatchReply);
  // `prepare` has just made the array, so its memory is not shared.
  else parentPort?.postMessage({ ...batch, images } satisfies BatchReply, [images.buffer as ArrayBuffer]);
}

parentPort?.on("message", (message: BatchWorkerMessage) => {
  const { kind } = message;
  if (kind === "split") dataset = { ...dataset, [message.split]: message.images };
  else if (kind === "epoch") epochs.set(message.epoch, { epoch: planEpoch(dataset, message.split, message.options), ring: message.ring });
  else if (kind === "batch") answer(message.epoch, message.index);
  else epochs.delete(message.epoch);
});
