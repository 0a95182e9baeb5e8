/** The profile of a computation: the time of every kernel call, with the layer and the pass that it belongs to. */

import { kernels, useBackend } from "../backend/active.ts";
import { type KernelCall, timingBackend } from "../backend/timing.ts";
import { BackendError } from "../core/errors.ts";
import { observeTape } from "../tape/tape-observer.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { withLayerNames } from "./layer-names.ts";
import type { Module } from "./module.ts";

export interface ProfiledCall extends KernelCall {
  readonly pass: "forward" | "backward" | "update";
  /** The layer that called the kernel, or whose gradient the call computes; "" is the model itself. Undefined outside of the model. */
  readonly layer: string | undefined;
}

export interface Profile {
  /** The calls in their order. */
  readonly calls: readonly ProfiledCall[];
  /** The reading of the clock when the computation began, in milliseconds. */
  readonly start: number;
  /** The time from the beginning to the end. The part of it that no call takes is time between kernels. */
  readonly milliseconds: number;
}

export interface ProfileOptions {
  /** The model whose layers are named. Default: none, and every call is outside of a model. */
  readonly model?: Module | undefined;
  /** Gives the time in milliseconds. Default: `performance.now`. */
  readonly clock?: () => number;
}

/**
 * Runs `body`, and returns its result with the profile. The active backend is wrapped for the time of the call, so that nothing is slower
 * without a profile. The numbers do not change.
 * @throws BackendError on a device, which still computes when a kernel returns; ConfigError when `body` is asynchronous.
 */
export function profile<T>(
  body: () => T,
  { model, clock = () => performance.now() }: ProfileOptions = {},
): { result: T; profile: Profile } {
  const backend = kernels();
  const probe = backend.full("float32", 1, 0);
  probe.release();
  if (probe.view === undefined)
    throw new BackendError(
      `profile: a kernel must have computed when it returns, got the backend ${backend.name}; use wasm or reference here, ` +
        "and bench --profile on a device",
    );
  const calls: ProfiledCall[] = [];
  /** The calls of the op that is being computed. The tape tells after its end which op that was. */
  let pending: { call: KernelCall; layer: string | undefined }[] = [];
  const layers = new WeakMap<Tensor, string>();
  const settle = (pass: ProfiledCall["pass"], layer?: string): void => {
    // While a layer runs, its calls are the forward pass, whatever comes from the tape next.
    for (const { call, layer: running } of pending)
      calls.push({ ...call, pass: running === undefined ? pass : "forward", layer: running ?? layer });
    pending = [];
  };
  const backwardOf = (tensor: Tensor): void => settle("backward", layers.get(tensor));

  let [start, milliseconds] = [0, 0];
  const watched = (current: () => string | undefined): T => {
    const onCall = (call: KernelCall): void => void pending.push({ call, layer: current() });
    useBackend(timingBackend(backend, onCall, clock));
    try {
      return observeTape(
        "profile",
        {
          value: (_op, _inputs, value) => {
            const layer = current();
            if (layer !== undefined) layers.set(value, layer);
            settle("forward");
          },
          gradient: backwardOf,
          sum: backwardOf,
        },
        () => {
          // The wrapping is over, so its time is not the computation's.
          start = clock();
          const result = body();
          milliseconds = clock() - start;
          return result;
        },
      );
    } finally {
      useBackend(backend);
    }
  };
  const result = model === undefined ? watched(() => undefined) : withLayerNames(model, watched);
  settle("update");
  return { result, profile: { calls, start, milliseconds } };
}
