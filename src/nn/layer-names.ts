/** The name of the layer that is computing. A module has no hook around `forward`, so each module of the model gets a hook for a moment. */

import type { Module } from "./module.ts";

type Method = (...args: unknown[]) => unknown;

/**
 * The methods that compute a layer. Networks with attention maps have two, and so have layers that take an epilogue (epilogue.ts) or the norm
 * before them (preceding-norm.ts).
 */
const computing = ["forward", "forwardThen", "forwardAfterNorm", "forwardWithAttention"] as const;

type Computing = { [Name in (typeof computing)[number]]?: Method };

const watchers = new WeakSet<object>();

/** Whether a method of a module stands there for a moment, watches and calls the method that it hides. It changes nothing of the layer. */
export const isWatcher = (method: object): boolean => watchers.has(method);

/**
 * Runs `body` and tells it at any moment which layer of the model is computing: the innermost one of whose methods above one is running;
 * undefined outside of the model. Names are those of `namedModules`. The kernels that run are those that run without names: a layer that
 * computes the activation after it does so too, and its name stands for both.
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
        watchers.add(value);
        // The property is not enumerable, because the fields of a module are its state.
        Object.defineProperty(module, method, { value, configurable: true, enumerable: false });
        restore.push(() => delete (module as Computing)[method]);
      }
    return body(() => running.at(-1));
  } finally {
    for (const undo of restore) undo();
  }
}
