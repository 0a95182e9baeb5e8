/**
 * Scopes free the tensors that were made inside them. Storage lives in a WASM arena or on a device, and JavaScript's garbage collector
 * cannot see how much memory that is. So a training step runs inside `scope`, which frees every tensor made in the step except the tensors
 * that the step returns.
 */

import { checkSynchronous } from "../core/synchronous.ts";

/** What a scope frees: a tensor. The interface is here, so that this file does not import the file that imports it. */
interface Scoped {
  dispose(): void;
}

/** The tensors made in each open scope, outermost scope first. */
const openScopes: Set<Scoped>[] = [];

/** Registers a new tensor with the innermost open scope. Tensor's constructor calls it. */
export function track(tensor: Scoped): void {
  openScopes.at(-1)?.add(tensor);
}

/** Removes a tensor from every open scope. Tensor's `dispose` calls it. */
export function untrack(tensor: Scoped): void {
  for (const created of openScopes) created.delete(tensor);
}

/** Lets a tensor outlive every open scope. State such as parameters and running statistics needs this. */
export function keep<T extends Scoped>(tensor: T): T {
  untrack(tensor);
  return tensor;
}

/**
 * Runs `body`, frees every tensor made in it, and returns its result. Tensors found in the result are not freed; they pass to the enclosing
 * scope. The result may be a tensor or any nesting of arrays, maps, sets and objects. The graph behind a returned tensor is freed, so take
 * gradients inside.
 * @throws ConfigError when `body` is asynchronous or a generator, because scopes nest as calls do.
 */
export function scope<T>(body: () => T): T {
  const created = new Set<Scoped>();
  const outer = openScopes.at(-1);
  openScopes.push(created);
  let returned: ReadonlySet<unknown> = new Set();
  try {
    const result = body();
    checkSynchronous("scope", result, "return the tensors and call data() outside");
    returned = reachable(result);
    return result;
  } finally {
    openScopes.splice(openScopes.indexOf(created), 1);
    for (const tensor of created) {
      if (returned.has(tensor)) outer?.add(tensor);
      else tensor.dispose();
    }
  }
}

/** Every object that `value` contains, at any depth. The search does not enter tensors or typed arrays. */
function reachable(value: unknown, seen: Set<unknown> = new Set()): Set<unknown> {
  if (typeof value !== "object" || value === null || seen.has(value) || ArrayBuffer.isView(value)) return seen;
  seen.add(value);
  if ("storage" in value && "origin" in value) return seen;
  const parts = value instanceof Map ? [...value.keys(), ...value.values()] : value instanceof Set ? [...value] : Object.values(value);
  for (const part of parts) reachable(part, seen);
  return seen;
}
