/** Random choices that depend on a seed and the number of a case only, so that any case can be run again alone. */

import { Random } from "../../../src/core/random.ts";

export class Dice {
  readonly #random: Random;

  constructor(seed: number, index: number) {
    this.#random = new Random(seed).fork(index);
  }

  /** A whole number in [0, bound). */
  below(bound: number): number {
    return Math.min(bound - 1, Math.floor(this.#random.uniform() * bound));
  }

  /** Whether an event of this probability happens. */
  chance(probability: number): boolean {
    return this.#random.uniform() < probability;
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!;
  }

  /** A seed for fast-check. */
  seed(): number {
    return this.below(2 ** 31);
  }
}
