/** Worker threads that decode images. Each of them has one request at a time; the other requests wait in a queue. */

import type { Worker } from "node:worker_threads";
import { DataError } from "../../core/errors.ts";
import { describeError } from "../../core/node/system-error.ts";
import { AliveWhileWaiting } from "./alive-while-waiting.ts";
import type { DecodeSettings, ImageTask } from "./streamed-epoch.ts";
import { WorkerFailure } from "./worker-failure.ts";

export type DecodeRequest = { readonly settings: DecodeSettings; readonly tasks: readonly ImageTask[] } | { readonly close: true };
export type DecodeReply = { readonly images: Float32Array<ArrayBuffer> } | { readonly dataError: string };

interface Job {
  readonly settings: DecodeSettings;
  readonly tasks: readonly ImageTask[];
  readonly resolve: (images: Float32Array<ArrayBuffer>) => void;
  readonly reject: (error: Error) => void;
}

export class DecodePool {
  readonly #most: number;
  readonly #start: () => Worker;
  readonly #alive = new AliveWhileWaiting();
  /** The workers, and when each has ended. */
  readonly #workers = new Map<Worker, Promise<void>>();
  readonly #idle: Worker[] = [];
  readonly #running = new Map<Worker, Job>();
  #queue: Job[] = [];
  #failure: WorkerFailure | undefined;

  /** @param most The largest number of workers. A worker starts when a request finds no idle one. */
  constructor(most: number, start: () => Worker) {
    this.#most = most;
    this.#start = start;
  }

  /** Whether the workers cannot work any more. */
  get failed(): boolean {
    return this.#failure !== undefined;
  }

  /** @throws DataError for an image that cannot be decoded, WorkerFailure when a worker has failed. */
  decode(settings: DecodeSettings, tasks: readonly ImageTask[]): Promise<Float32Array<ArrayBuffer>> {
    const result = new Promise<Float32Array<ArrayBuffer>>((resolve, reject) => {
      if (this.#failure) reject(this.#failure);
      else this.#queue.push({ settings, tasks, resolve, reject });
    });
    // A caller that leaves early awaits no result, and a rejection that nobody awaits would end the process.
    result.catch(() => undefined);
    this.#assign();
    return result;
  }

  /** Forgets the requests with these settings that no worker has begun. */
  forget(settings: DecodeSettings): void {
    this.#queue = this.#queue.filter((job) => job.settings !== settings);
  }

  /** Waits for `result`. The workers keep the process alive while a caller waits. */
  waitFor<T>(result: Promise<T>): Promise<T> {
    return this.#alive.waitFor(result);
  }

  /** Ends the workers after the requests that they are computing. */
  async close(): Promise<void> {
    this.#fail("they were closed");
    for (const worker of this.#workers.keys()) worker.ref();
    await Promise.all(this.#workers.values());
  }

  #assign(): void {
    while (this.#queue.length > 0) {
      const worker = this.#idle.shift() ?? this.#started();
      if (worker === undefined) return;
      const job = this.#queue.shift()!;
      this.#running.set(worker, job);
      worker.postMessage({ settings: job.settings, tasks: job.tasks } satisfies DecodeRequest);
    }
  }

  /** A new worker; undefined when there are enough, or when none can start. */
  #started(): Worker | undefined {
    if (this.#workers.size >= this.#most) return undefined;
    try {
      const worker = this.#start();
      const ended = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
      this.#workers.set(worker, ended);
      worker.on("message", (reply: DecodeReply) => this.#receive(worker, reply));
      worker.on("error", (error) => this.#fail(`a worker failed: ${describeError(error)}`));
      worker.on("exit", (code) => this.#fail(`a worker ended with code ${code}`));
      this.#alive.add(worker);
      return worker;
    } catch (error) {
      this.#fail(describeError(error));
      return undefined;
    }
  }

  #receive(worker: Worker, reply: DecodeReply): void {
    const job = this.#running.get(worker);
    this.#running.delete(worker);
    this.#idle.push(worker);
    if ("images" in reply) job?.resolve(reply.images);
    else job?.reject(new DataError(reply.dataError));
    this.#assign();
  }

  /** Refuses all requests from now on, and ends the workers. */
  #fail(reason: string): void {
    if (this.#failure) return;
    this.#failure = new WorkerFailure(reason);
    for (const { reject } of [...this.#running.values(), ...this.#queue]) reject(this.#failure);
    this.#running.clear();
    this.#queue = [];
    // A worker ends by itself after its request. The image library must not be cut off while it decodes.
    for (const worker of this.#workers.keys()) worker.postMessage({ close: true } satisfies DecodeRequest);
  }
}
