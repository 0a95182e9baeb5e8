/** The name of the layer that is computing. A module has no hook around `forward`, so each module of the model gets a hook for a moment. */

import type { Module } from "./module.ts";

type Method = (...args: unknown[]) => unknown;

/** The methods that compute a layer. Networks with attention maps have two. */
const computing = ["forward", "forwardWithAttention"] as const;

type Computing = { [Name in (typeof computing)[number]]?: Method };

/**
 * Runs `body` and tells it at any moment which layer of the model is computing: the innermost one whose `forward` (or
 * `forwardWithAttention`) is running; undefined outside of the model. Names are those of `namedModules`.
 */
export function withLayerNames<T>(model: Module, body: (current: () => string | undefined) => T): T {
  const running: string[] = [];
  const restore: (() => void)[] = [];
  try {
    for (const [name, module] of model.namedModules())
      for (const method of computing) {
        const compute = (module as Computing)[method];
        if (typeof compute !== "function" || Object.hasOwn(module, method)) continue;
        const value: Method = (...args) => {
          running.push(name);
          try {
            return compute.apply(module, args);
          } finally {
            running.pop();
          }
        };
        // The property is not enumerable, because the fields of a module are its state.
        Object.defineProperty(module, method, { value, configurable: true, enumerable: false });
        restore.push(() => delete (module as Computing)[method]);
      }
    return body(() => running.at(-1));
  } finally {
    for (const undo of restore) undo();
  }
}
