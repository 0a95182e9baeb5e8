/**
 * The commands for the device, which run in the order in which they were pushed. Ops are synchronous, but the first launch of a kernel is
 * not, because gpu.js then compiles the kernel. Every launch, upload, free and read therefore goes through one queue. So no launch
 * overtakes an earlier launch, and no storage is freed before its last use.
 */

/** One command. A command should handle its own errors. If it throws, the queue reports the error and runs the next command. */
export type Command = () => Promise<void> | undefined | void;

export class CommandQueue {
  readonly #onError: (error: unknown) => void;
  #waiting: Command[] = [];
  #next = 0;
  #running = false;

  /**
   * The queue calls `onError` with the error of a command that threw. The queue then runs the next command, because later reads would
   * otherwise wait for ever.
   */
  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  /** Appends a command. It starts at once when no other command is running. */
  push(command: Command): void {
    this.#waiting.push(command);
    if (!this.#running) void this.#drain();
  }

  /** Resolves when every command that was pushed before this call has run. */
  fence(): Promise<void> {
    return new Promise((resolve) => this.push(resolve));
  }

  async #drain(): Promise<void> {
    this.#running = true;
    while (this.#next < this.#waiting.length) {
      const command = this.#waiting[this.#next]!;
      this.#waiting[this.#next++] = nothing; // The queue must not keep the objects of a finished command alive.
      if (this.#next >= 1024 && this.#next * 2 > this.#waiting.length) {
        this.#waiting = this.#waiting.slice(this.#next); // A queue that is never empty would otherwise grow without bound.
        this.#next = 0;
      }
      try {
        const pending = command();
        if (pending !== undefined) await pending;
      } catch (error) {
        this.#onError(error);
      }
    }
    this.#waiting = [];
    this.#next = 0;
    this.#running = false;
  }
}

const nothing: Command = () => {};
