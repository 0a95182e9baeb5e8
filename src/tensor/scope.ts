/**
 * Scopes free what they made. Storage lives in a WASM arena or on a device, where JavaScript's collector cannot see how much it
 * holds; so a training step runs inside `scope`, which releases every tensor made in it but those it returns.
 */

import { ConfigError } from "../core/errors.ts";
import type { Tensor } from "./tensor.ts";

const open: Set<Tensor>[] = [];

/** Called by Tensor's constructor. */
export function track(tensor: Tensor): void {
  open.at(-1)?.add(tensor);
}

/** Called by Tensor's dispose. */
export function untrack(tensor: Tensor): void {
  for (const created of open) created.delete(tensor);
}

/** Lets a tensor outlive every open scope: for state such as parameters and running statistics. */
export function keep<T extends Tensor>(tensor: T): T {
  untrack(tensor);
  return tensor;
}

/**
 * Runs `body` and frees every tensor made in it, except those found in what it returns (a tensor, or any nesting of arrays, maps and objects),
 * which pass to the enclosing scope. A returned tensor's graph is freed too: take its gradients inside.
 * @throws ConfigError when `body` is asynchronous: scopes nest by the call stack.
 */
export function scope<T>(body: () => T): T {
  const created = new Set<Tensor>();
  const outer = open.at(-1);
  open.push(created);
  let returned: ReadonlySet<unknown> = new Set();
  try {
    const result = body();
    if (result instanceof Promise) {
      result.catch(() => {}); // it will fail on tensors freed here, after the caller has been told why
      throw new ConfigError("scope: the body must be synchronous, got a Promise; read data() outside");
    }
    returned = reachable(result);
    return result;
  } finally {
    open.splice(open.indexOf(created), 1);
    for (const tensor of created) {
      if (returned.has(tensor)) outer?.add(tensor);
      else tensor.dispose();
    }
  }
}

/** Every object in the nesting of `value`, not looking behind tensors or typed arrays. */
function reachable(value: unknown, seen: Set<unknown> = new Set()): Set<unknown> {
  if (typeof value !== "object" || value === null || seen.has(value) || ArrayBuffer.isView(value)) return seen;
  seen.add(value);
  if ("storage" in value && "origin" in value) return seen;
  const parts = value instanceof Map ? [...value.keys(), ...value.values()] : value instanceof Set ? [...value] : Object.values(value);
  for (const part of parts) reachable(part, seen);
  return seen;
}
