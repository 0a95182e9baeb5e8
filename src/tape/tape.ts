/**
 * Recording. An op computes its value and states, in the same expression, how a cotangent flows back to each input. `differentiable` stores
 * both in the `origin` of the value. There is no other tape: the origins are the graph.
 */

import { checkSynchronous } from "../core/synchronous.ts";
import { type Origin, share, type Tensor, type Vjp } from "../tensor/tensor.ts";
import { tapeObserver } from "./tape-observer.ts";

let recording = true;

/** Whether a value that is computed now gets an origin. */
export const isRecording = (): boolean => recording;

function withRecording<T>(on: boolean, body: () => T): T {
  const before = recording;
  recording = on;
  try {
    return body();
  } finally {
    recording = before;
  }
}

/**
 * Runs `body` without recording. Evaluation, running statistics and optimiser steps need no graph.
 * @throws ConfigError when `body` is asynchronous or a generator: what it computes after it first waits would be recorded.
 */
export function noGrad<T>(body: () => T): T {
  const result = withRecording(false, body);
  checkSynchronous("noGrad", result, "call noGrad again after each await");
  return result;
}

/** Runs `body` with recording, also inside `noGrad`: a derivative that is taken there needs a graph of its own. */
export const enableGrad = <T>(body: () => T): T => withRecording(true, body);

/** What the body of an op returns: its inputs, its value, and the VJP of each input. */
export interface Rule {
  readonly inputs: Origin["inputs"];
  readonly value: Tensor;
  readonly vjp: Origin["vjp"];
}

/**
 * The VJPs of an op whose cotangents one kernel can compute together: by `atOnce` where all of them are needed, nothing is recorded, and
 * `atOnce` gives a result, and one by one elsewhere. On a backend without the kernel, `atOnce` is undefined.
 */
export function jointly(
  atOnce: ((g: Tensor) => readonly Tensor[] | undefined) | undefined,
  each: readonly (Vjp | undefined)[],
): Rule["vjp"] {
  if (atOnce === undefined) return each;
  return (g, needed) =>
    (!recording && needed.every(Boolean) ? atOnce(g) : undefined) ?? each.map((vjp, i) => (needed[i] ? vjp?.(g) : undefined));
}

/** The value of `rule`. If recording is on, the value gets its origin. */
export function record(op: string, rule: Rule): Tensor {
  const { inputs, value, vjp } = rule;
  if (recording) {
    attachOrigin(value, { op, inputs, vjp });
    tapeObserver?.value(op, inputs, value);
  }
  return value;
}

/**
 * An op from a function that returns a Rule. The function itself runs unrecorded. Its VJPs are recorded only if `gradients` runs with
 * `createGraph`, which makes gradients of gradients possible.
 * @throws ConfigError when the function is asynchronous or a generator.
 */
export function differentiable<Arguments extends unknown[]>(
  op: string,
  body: (...args: Arguments) => Rule,
): (...args: Arguments) => Tensor {
  return (...args) => {
    const rule = withRecording(false, () => body(...args));
    checkSynchronous(op, rule, "compute the value with ops, and read data outside");
    return record(op, rule);
  };
}

/**
 * Writes the origin of a value. This is the one place that writes the read-only field. A new tensor with the origin would not do: a VJP may
 * refer to the value itself, as the VJP of exp does.
 */
function attachOrigin(value: Tensor, origin: Origin): void {
  (value as { origin: Origin | undefined }).origin = origin;
}

/** The same numbers without an origin, so that `gradients` treats them as a constant. The storage is shared. */
export const detach = (x: Tensor): Tensor => share(x);
