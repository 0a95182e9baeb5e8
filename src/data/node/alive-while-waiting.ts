/** Worker threads that keep the process alive only while a caller waits for them. Node does not count calls of `ref`, so this does. */

import type { Worker } from "node:worker_threads";

export class AliveWhileWaiting {
  readonly #workers = new Set<Worker>();
  #waiting = 0;

  /** Watches over a worker until it ends. */
  add(worker: Worker): void {
    this.#workers.add(worker);
    worker.once("exit", () => this.#workers.delete(worker));
    if (this.#waiting === 0) worker.unref();
  }

  async waitFor<T>(result: Promise<T>): Promise<T> {
    if (this.#waiting++ === 0) for (const worker of this.#workers) worker.ref();
    try {
      return await result;
    } finally {
      if (--this.#waiting === 0) for (const worker of this.#workers) worker.unref();
    }
  }
}
