/** Worker threads that decode images. Each of them has one request at a time; the other requests wait in a queue. */

import type { Worker } from "node:worker_threads";
import { DataError } from "../../core/errors.ts";
import { describeError } from "../../core/node/system-error.ts";
import type { ImageTask } from "./streamed-epoch.ts";

export type DecodeRequest = { readonly tasks: readonly ImageTask[] } | { readonly close: true };
export type DecodeReply = { readonly images: Float32Array<ArrayBuffer> } | { readonly dataError: string };

/** No worker can decode. The images themselves may be sound. */
export class PoolFailure extends Error {
  override name = "PoolFailure";
}

interface Job {
  readonly tasks: readonly ImageTask[];
  readonly resolve: (images: Float32Array<ArrayBuffer>) => void;
  readonly reject: (error: Error) => void;
}

export class DecodePool {
  readonly #workers: readonly Worker[];
  readonly #idle: Worker[];
  readonly #running = new Map<Worker, Job>();
  readonly #queue: Job[] = [];
  readonly #ended: Promise<unknown>;
  #failure: PoolFailure | undefined;
  #closing = false;

  constructor(count: number, start: () => Worker) {
    const workers: Worker[] = [];
    try {
      for (let i = 0; i < count; i++) workers.push(start());
    } catch (error) {
      this.#fail(describeError(error));
    }
    this.#workers = workers;
    this.#idle = [...workers];
    this.#ended = Promise.all(workers.map((worker) => new Promise<void>((resolve) => worker.once("exit", () => resolve()))));
    for (const worker of workers) {
      worker.on("message", (reply: DecodeReply) => this.#receive(worker, reply));
      worker.on("error", (error) => this.#fail(`a worker failed: ${describeError(error)}`));
      worker.on("exit", (code) => {
        if (!this.#closing) this.#fail(`a worker ended with code ${code}`);
      });
      // An idle worker does not keep the process alive.
      worker.unref();
    }
  }

  /** @throws DataError for an image that cannot be decoded, PoolFailure when a worker has failed. */
  decode(tasks: readonly ImageTask[]): Promise<Float32Array<ArrayBuffer>> {
    const result = new Promise<Float32Array<ArrayBuffer>>((resolve, reject) => {
      if (this.#failure) reject(this.#failure);
      else this.#queue.push({ tasks, resolve, reject });
    });
    // A caller that leaves early awaits no result, and a rejection that nobody awaits would end the process.
    result.catch(() => undefined);
    this.#assign();
    return result;
  }

  /** Waits for `result`. The workers keep the process alive while a caller waits. */
  async waitFor<T>(result: Promise<T>): Promise<T> {
    for (const worker of this.#workers) worker.ref();
    try {
      return await result;
    } finally {
      for (const worker of this.#workers) worker.unref();
    }
  }

  /** Ends the workers after the requests that they are computing. */
  async close(): Promise<void> {
    this.#closing = true;
    this.#queue.length = 0;
    for (const worker of this.#workers) {
      worker.ref();
      worker.postMessage({ close: true } satisfies DecodeRequest);
    }
    await this.#ended;
  }

  #assign(): void {
    while (this.#idle.length > 0 && this.#queue.length > 0) {
      const worker = this.#idle.shift()!;
      const job = this.#queue.shift()!;
      this.#running.set(worker, job);
      worker.postMessage({ tasks: job.tasks } satisfies DecodeRequest);
    }
  }

  #receive(worker: Worker, reply: DecodeReply): void {
    const job = this.#running.get(worker);
    this.#running.delete(worker);
    this.#idle.push(worker);
    if (!this.#closing) this.#assign();
    if ("images" in reply) job?.resolve(reply.images);
    else job?.reject(new DataError(reply.dataError));
  }

  #fail(reason: string): void {
    this.#failure ??= new PoolFailure(reason);
    for (const { reject } of [...this.#running.values(), ...this.#queue]) reject(this.#failure);
    this.#running.clear();
    this.#queue.length = 0;
  }
}
