/** Where the time of a device goes, program by program, for as long as somebody asks. */

/** What a program took while a profile was kept. */
export interface ProgramTime {
  readonly name: string;
  readonly launches: number;
  readonly milliseconds: number;
}

export class LaunchProfile {
  readonly #finish: () => Promise<unknown> | undefined;
  #times: Map<string, { launches: number; milliseconds: number }> | undefined;

  /** `finish` resolves when the device has computed all it was handed. */
  constructor(finish: () => Promise<unknown> | undefined) {
    this.#finish = finish;
  }

  start(): void {
    this.#times = new Map();
  }

  /** What was launched since `start`, the costliest program first. */
  end(): ProgramTime[] {
    const times = [...(this.#times ?? [])].map(([name, time]) => ({ name, ...time }));
    this.#times = undefined;
    return times.sort((a, b) => b.milliseconds - a.milliseconds);
  }

  /** Does the work, on a device that is idle before and after it while a profile is kept. */
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
