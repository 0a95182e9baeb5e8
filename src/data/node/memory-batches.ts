/** Batches of images in memory, from one worker thread that prepares the batches of all epochs. */

import type { Worker } from "node:worker_threads";
import { describeError } from "../../core/node/system-error.ts";
import { type Batch, batchRing, type EpochOptions, planEpoch } from "../batches.ts";
import type { ImageDataset, ImageSplit, SplitName } from "../dataset.ts";
import { AliveWhileWaiting } from "./alive-while-waiting.ts";
import type { EpochSource } from "./batches-ahead.ts";
import { WorkerFailure } from "./worker-failure.ts";

/** The data with which the worker is started: the set without its images. */
export interface BatchWorkerData {
  readonly dataset: ImageDataset;
}

/** What the worker is told. */
export type BatchWorkerMessage =
  /** The images of a split, once. Memory that is not shared is copied, so the worker gets no split that it does not need. */
  | { readonly kind: "split"; readonly split: SplitName; readonly images: ImageSplit }
  /** An epoch that begins, its number, and the memory of its batches if it is used again. */
  | {
      readonly kind: "epoch";
      readonly epoch: number;
      readonly split: SplitName;
      readonly options: EpochOptions;
      readonly ring: readonly Float32Array[] | undefined;
    }
  | { readonly kind: "batch"; readonly epoch: number; readonly index: number }
  /** No batch of the epoch is needed any more. */
  | { readonly kind: "end"; readonly epoch: number };

/** A batch. Its images are left out where they are in the memory that the epoch came with. */
export type BatchReply = Omit<Batch, "images"> & { readonly images?: Float32Array };

interface Expected {
  readonly resolve: (reply: BatchReply) => void;
  readonly reject: (error: WorkerFailure) => void;
}

/** A worker that answers the requests in their order. It starts with the first request. */
export class BatchWorker {
  readonly #dataset: ImageDataset;
  readonly #start: (data: BatchWorkerData) => Worker;
  readonly #alive = new AliveWhileWaiting();
  readonly #sent = new Set<SplitName>();
  readonly #expected: Expected[] = [];
  #worker: Worker | undefined;
  #epochs = 0;
  #failure: WorkerFailure | undefined;

  /** @param start Starts the worker with its data. */
  constructor(dataset: ImageDataset, start: (data: BatchWorkerData) => Worker) {
    this.#dataset = dataset;
    this.#start = start;
  }

  /** Whether the worker cannot work any more. */
  get failed(): boolean {
    return this.#failure !== undefined;
  }

  /** Lays out an epoch. @param depth How many batches are requested ahead of the one in use. @throws ConfigError */
  epoch(split: SplitName, options: EpochOptions, depth: number): EpochSource {
    const { batchCount, startBatch, prepare } = planEpoch(this.#dataset, split, options);
    const { channels, height, width } = this.#dataset;
    const ring = batchRing(this.#dataset, split, options, depth);
    const epoch = this.#epochs++;
    let begun = false;
    return {
      batchCount,
      startBatch,
      request: async (index) => {
        if (!begun) this.#begin({ kind: "epoch", epoch, split, options, ring });
        begun = true;
        const reply = await this.#request({ kind: "batch", epoch, index });
        const { images = ring![index % ring!.length]!.subarray(0, reply.count * channels * height * width) } = reply;
        return { ...reply, images };
      },
      waitFor: (batch) => this.#alive.waitFor(batch),
      forget: () => {
        if (begun) this.#tell({ kind: "end", epoch });
      },
      prepareHere: prepare,
    };
  }

  /** Ends the worker at once. */
  async close(): Promise<void> {
    this.#fail("it was closed");
    await this.#worker?.terminate();
  }

  #begin(epoch: BatchWorkerMessage & { readonly kind: "epoch" }): void {
    const { split } = epoch;
    this.#worker ??= this.#started();
    if (!this.#sent.has(split)) this.#tell({ kind: "split", split, images: this.#dataset[split] });
    this.#sent.add(split);
    this.#tell(epoch);
  }

  #request(batch: BatchWorkerMessage & { readonly kind: "batch" }): Promise<BatchReply> {
    if (this.#failure) return Promise.reject(this.#failure);
    this.#tell(batch);
    return new Promise((resolve, reject) => this.#expected.push({ resolve, reject }));
  }

  #tell(message: BatchWorkerMessage): void {
    this.#worker?.postMessage(message);
  }

  #started(): Worker | undefined {
    if (this.#failure) return undefined;
    const none = { images: new Uint8Array(0), labels: new Uint8Array(0), count: 0 };
    try {
      const worker = this.#start({ dataset: { ...this.#dataset, train: none, test: none } });
      worker.on("message", (reply: BatchReply) => this.#expected.shift()?.resolve(reply));
      worker.on("error", (error) => this.#fail(`the worker failed: ${describeError(error)}`));
      worker.on("exit", (code) => this.#fail(`the worker ended with code ${code}`));
      this.#alive.add(worker);
      return worker;
    } catch (error) {
      this.#fail(describeError(error));
      return undefined;
    }
  }

  #fail(reason: string): void {
    this.#failure ??= new WorkerFailure(reason);
    for (const { reject } of this.#expected.splice(0)) reject(this.#failure);
  }
}
