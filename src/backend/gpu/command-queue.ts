/**
 * The commands for the device, run in the order in which they were pushed. Ops are synchronous, but the first launch of a kernel is not,
 * because gpu.js compiles it then. Every launch, upload, free and read therefore goes through one queue: a launch cannot overtake an
 * earlier one, and a free cannot come before the last use.
 */

/** One command. It should handle its own errors; the queue reports an error that it does throw, and goes on. */
export type Command = () => Promise<void> | void;

export class CommandQueue {
  readonly #onError: (error: unknown) => void;
  #waiting: Command[] = [];
  #next = 0;
  #running = false;

  /**
   * `onError` is called with the error of a command that threw. The queue then goes on, because later reads would otherwise wait for ever.
   */
  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  /** Appends a command. It starts at once when no other command is running. */
  push(command: Command): void {
    this.#waiting.push(command);
    if (!this.#running) void this.#drain();
  }

  /** Resolves when every command that was pushed before has run. */
  fence(): Promise<void> {
    return new Promise((resolve) => this.push(resolve));
  }

  async #drain(): Promise<void> {
    this.#running = true;
    while (this.#next < this.#waiting.length) {
      const command = this.#waiting[this.#next]!;
      this.#waiting[this.#next++] = nothing; // The queue must not keep alive what the command refers to.
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
