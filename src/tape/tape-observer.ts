/** A place from which a program can watch every value that is recorded and every gradient that is pulled back, such as a search for NaN. */

import { checkSynchronous } from "../core/synchronous.ts";
import type { Tensor } from "../tensor/tensor.ts";

export interface TapeObserver {
  /** An op has computed a value, and recording is on. */
  value(op: string, inputs: readonly Tensor[], value: Tensor): void;
  /** The op behind `of` has given its contribution to the gradient of its input at `index`. */
  gradient(of: Tensor, index: number, contribution: Tensor): void;
  /** The contributions of several ops to the gradient of `of` have been added. */
  sum(of: Tensor, gradient: Tensor): void;
}

/** The observer of the moment. Where there is none, recording pays one comparison for each op. */
export let tapeObserver: TapeObserver | undefined;

/** Runs `body` under an observer. @throws ConfigError when `body` is asynchronous or a generator. */
export function observeTape<T>(op: string, observer: TapeObserver, body: () => T): T {
  const before = tapeObserver;
  tapeObserver = observer;
  try {
    const result = body();
    checkSynchronous(op, result, `call ${op} again after each await`);
    return result;
  } finally {
    tapeObserver = before;
  }
}
