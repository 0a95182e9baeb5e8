/**
 * Recording. An op computes its value and says, in the same expression, how a cotangent flows back to each input; `differentiable`
 * ties the two together in the value's `origin`. The tape is nothing but those origins.
 */

import { type Origin, share, type Tensor } from "../tensor/tensor.ts";

let recording = true;

/** Whether values made now remember their origin. */
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

/** Runs `body` without recording: for evaluation, running statistics and updates. Synchronous, as `scope` is. */
export const noGrad = <T>(body: () => T): T => withRecording(false, body);

/** What an op returns: its value, the tensors it depends on, and the VJP of each. */
export interface Rule {
  readonly inputs: Origin["inputs"];
  readonly value: Tensor;
  readonly vjp: Origin["vjp"];
}

/** The value of `rule` with its origin attached, if recording. */
export function record(op: string, rule: Rule): Tensor {
  if (!recording) return rule.value;
  return adopt(rule.value, { op, inputs: rule.inputs, vjp: rule.vjp });
}

/** Makes an op of a function that gives a Rule. Its body runs unrecorded; its VJPs are recorded when gradients of gradients are wanted. */
export function differentiable<Arguments extends unknown[]>(
  op: string,
  body: (...args: Arguments) => Rule,
): (...args: Arguments) => Tensor {
  return (...args) =>
    record(
      op,
      noGrad(() => body(...args)),
    );
}

/** A VJP may name the value itself (exp's does), so the value keeps its identity and gets the origin written once. */
function adopt(value: Tensor, origin: Origin): Tensor {
  (value as { origin: Origin | undefined }).origin = origin;
  return value;
}

/** The same numbers, constant to differentiation. */
export const detach = (x: Tensor): Tensor => share(x);
