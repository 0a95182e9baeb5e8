/**
 * Work for the device in the order it was asked for. Ops are synchronous and a kernel's first call is not (it compiles), so every launch,
 * upload, free and read goes through one line: a later launch cannot overtake an earlier one, and a free cannot come before the last use.
 */

/** One entry. It should not throw: what fails is kept by the storage that has nothing to show. */
export type Command = () => Promise<void> | void;

export class CommandQueue {
  readonly #onFault: (error: unknown) => void;
  #waiting: Command[] = [];
  #next = 0;
  #running = false;

  /** `onFault` hears of commands that threw. The line moves on all the same: one that stopped would leave every later read waiting for ever. */
  constructor(onFault: (error: unknown) => void) {
    this.#onFault = onFault;
  }

  /** Appends a command; it runs at once when none is under way. */
  push(command: Command): void {
    this.#waiting.push(command);
    if (!this.#running) void this.#drain();
  }

  /** Resolves when everything pushed before has run. */
  fence(): Promise<void> {
    return new Promise((resolve) => this.push(resolve));
  }

  async #drain(): Promise<void> {
    this.#running = true;
    while (this.#next < this.#waiting.length) {
      const command = this.#waiting[this.#next]!;
      this.#waiting[this.#next++] = nothing; // lets go of what the command holds
      if (this.#next >= 1024 && this.#next * 2 > this.#waiting.length) {
        this.#waiting = this.#waiting.slice(this.#next); // a line that is never empty must not keep what is behind it
        this.#next = 0;
      }
      try {
        const pending = command();
        if (pending !== undefined) await pending;
      } catch (error) {
        this.#onFault(error);
      }
    }
    this.#waiting = [];
    this.#next = 0;
    this.#running = false;
  }
}

const nothing: Command = () => {};
