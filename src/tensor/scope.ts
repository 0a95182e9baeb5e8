/**
 * Scopes free the tensors that were made inside them. Storage lives in a WASM arena or on a device, and JavaScript's garbage collector
 * cannot see how much memory that is. So a training step runs inside `scope`, which frees every tensor made in the step except the tensors
 * that the step returns.
 */

import { checkSynchronous } from "../core/synchronous.ts";

/** The members of one open scope, in no order. */
type Scope = Scoped[];

/** Makes `member` a member of `scope`. */
let enter: (member: Scoped, scope: Scope) => void;
/** Removes `member` from the scope that it is a member of, if there is one. */
let leave: (member: Scoped) => void;

/**
 * What a scope frees: a tensor. A tensor is a member of one open scope at most. It knows its place among the members, so it enters and
 * leaves in constant time, without the hashing of a set: every op makes a tensor.
 */
export abstract class Scoped {
  #scope: Scope | undefined = undefined;
  #place = 0;

  abstract dispose(): void;

  static {
    enter = (member, scope) => {
      member.#scope = scope;
      member.#place = scope.push(member) - 1;
    };
    leave = (member) => {
      const scope = member.#scope;
      if (scope === undefined) return;
      member.#scope = undefined;
      const last = scope.pop()!;
      if (last === member) return;
      scope[member.#place] = last;
      last.#place = member.#place;
    };
  }
}

/** The open scope that was opened last. */
let innermost: Scope | undefined;

/** Makes a new tensor a member of the innermost open scope. Tensor's constructor calls it. */
export function track(tensor: Scoped): void {
  if (innermost !== undefined) enter(tensor, innermost);
}

/** Ends the membership of a tensor in an open scope. Tensor's `dispose` calls it. */
export function untrack(tensor: Scoped): void {
  leave(tensor);
}

/** Lets a tensor outlive every open scope. State such as parameters and running statistics needs this. */
export function keep<T extends Scoped>(tensor: T): T {
  leave(tensor);
  return tensor;
}

/**
 * Runs `body`, frees every tensor made in it, and returns its result. Tensors found in the result are not freed; they pass to the enclosing
 * scope. The result may be a tensor or any nesting of arrays, maps, sets and objects. The graph behind a returned tensor is freed, so take
 * gradients inside.
 * @throws ConfigError when `body` is asynchronous or a generator, because scopes nest as calls do.
 */
export function scope<T>(body: () => T): T {
  const members: Scope = [];
  const outer = innermost;
  innermost = members;
  let returned: ReadonlySet<unknown> = new Set();
  try {
    const result = body();
    checkSynchronous("scope", result, "return the tensors and call data() outside");
    returned = reachable(result);
    return result;
  } finally {
    innermost = outer;
    for (let member = members.at(-1); member !== undefined; member = members.at(-1)) {
      leave(member);
      if (!returned.has(member)) member.dispose();
      else if (outer !== undefined) enter(member, outer);
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
