/** The interface by which a library takes part in the comparison. */

import type { Problem } from "../../../src/bench/benchmarks.ts";

/** A problem whose operands are prepared. */
export interface Run {
  /** Runs one repetition and resolves when its results are computed. */
  repeat(): Promise<void>;
  /**
   * Runs one repetition and returns every result in the layout of separable (NCHW, OIHW). For a training step these are its loss and the
   * loss of the next step, which shows whether the update was right. It is called once, before `repeat`.
   */
  results(): Promise<ArrayLike<number>[]>;
  dispose(): void;
}

export interface Contender {
  readonly name: string;
  readonly version: string;
  /** Why the problem takes this library minutes, so that it runs only with --slow; undefined where it does not. */
  slow(problem: Problem): string | undefined;
  /** Prepares the library to run next, because in some libraries only one backend is active at a time. */
  activate(): Promise<void>;
  /** @throws the library's own error when it cannot compute the problem. */
  prepare(problem: Problem): Promise<Run>;
}
