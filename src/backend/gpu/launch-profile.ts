/** A profile of the device: the time of each program's launches, kept while a caller asks for it. */

/** The launches of one program during a profile. */
export interface ProgramTime {
  readonly name: string;
  readonly launches: number;
  /** The time of all these launches together. */
  readonly milliseconds: number;
}

export class LaunchProfile {
  readonly #finish: () => Promise<unknown> | undefined;
  #times: Map<string, { launches: number; milliseconds: number }> | undefined;

  /** `finish` resolves when the device has completed all submitted work. */
  constructor(finish: () => Promise<unknown> | undefined) {
    this.#finish = finish;
  }

  /** Whether launches are timed. */
  get active(): boolean {
    return this.#times !== undefined;
  }

  start(): void {
    this.#times = new Map();
  }

  /** The programs launched since `start`, the slowest first. */
  end(): ProgramTime[] {
    const times = [...(this.#times ?? [])].map(([name, time]) => ({ name, ...time }));
    this.#times = undefined;
    return times.sort((a, b) => b.milliseconds - a.milliseconds);
  }

  /** Runs `work`. During a profile it waits until the device is idle before and after, and adds the time between to the program `name`. */
  async timed<T>(name: string, work: () => T | Promise<T>): Promise<T> {
    const times = this.#times;
    if (times === undefined) return work();
    await this.#finish();
    const start = performance.now();
    const result = await work();
    await this.#finish();
    const time = times.get(name) ?? { launches: 0, milliseconds: 0 };
    time.launches++;
    time.milliseconds += performance.now() - start;
    times.set(name, time);
    return result;
  }
}
