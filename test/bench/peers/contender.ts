/** What a library must do to be measured beside the others. */

import type { Problem } from "../../../src/bench/benchmarks.ts";

/** A problem with its operands in place. */
export interface Run {
  /** One repetition, done when it resolves. */
  repeat(): Promise<void>;
  /**
   * One repetition whose numbers are kept: every result in the layout of our own ops (NCHW, OIHW). Of a training step, its loss and the
   * next one's, which tells whether the update was right. Called once, first.
   */
  results(): Promise<ArrayLike<number>[]>;
  dispose(): void;
}

export interface Contender {
  readonly name: string;
  readonly version: string;
  /** Why this takes minutes: then it runs with --slow only. */
  slow(problem: Problem): string | undefined;
  /** Makes it the one that runs next: some libraries have one backend active at a time. */
  activate(): Promise<void>;
  /** @throws what the library throws when it cannot. */
  prepare(problem: Problem): Promise<Run>;
}
