/** A backend that times every call of a kernel and leaves the computation to another backend. */

import { type Call, interpose } from "./interpose.ts";
import { compulsoryTraffic, contractionMultiplyAdds } from "./kernel-work.ts";
import type { Kernels } from "./kernels.ts";

export interface KernelCall {
  /** The kernel, with its op where it has several: `conv2d`, `binary add`. */
  readonly kernel: string;
  /** The reading of the clock when the call began, in milliseconds. */
  readonly start: number;
  readonly milliseconds: number;
  /** What the call must move: every operand read once, and every result written once. */
  readonly bytes: number;
  /** The multiply-adds of a contraction; 0 for other kernels. */
  readonly multiplyAdds: number;
}

const labelOf = ([name, first]: Call): string =>
  name === "unary" || name === "binary" || name === "reduce" ? `${name} ${first as string}` : name;

/**
 * Wraps a backend whose kernels have computed when they return, so that `onCall` is told of every call after its end.
 * @param clock Gives the time in milliseconds. Default: `performance.now`.
 */
export function timingBackend(inner: Kernels, onCall: (call: KernelCall) => void, clock: () => number = () => performance.now()): Kernels {
  return interpose(inner, (call, compute) => {
    const start = clock();
    const result = compute();
    const milliseconds = clock() - start;
    const bytes = compulsoryTraffic(call, result);
    onCall({ kernel: labelOf(call), start, milliseconds, bytes, multiplyAdds: contractionMultiplyAdds(call) });
    return result;
  });
}
