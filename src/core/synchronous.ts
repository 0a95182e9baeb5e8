/** The check that a body has done its work when it returns. Scopes and recording nest as calls do, so they cannot wait for a promise. */

import { ConfigError } from "./errors.ts";

/** What a body returned that has not finished: a promise of any realm or library, or a generator. It is undefined for anything else. */
function unfinished(result: unknown): "a Promise" | "a generator" | undefined {
  if (typeof result !== "object" || result === null) return undefined;
  if (/Generator\]$/.test(Object.prototype.toString.call(result))) return "a generator";
  return typeof (result as { then?: unknown }).then === "function" ? "a Promise" : undefined;
}

/**
 * Refuses the result of a body that is asynchronous or a generator, because the rest of such a body runs after the call has ended.
 * @param advice What the caller should write instead.
 * @throws ConfigError for a promise or a generator.
 */
export function checkSynchronous(op: string, result: unknown, advice: string): void {
  const kind = unfinished(result);
  if (kind === undefined) return;
  // The promise may fail later, because its body goes on in another state. The error below already tells the caller why.
  if (kind === "a Promise") Promise.resolve(result).catch(() => {});
  throw new ConfigError(`${op}: the body must be synchronous, got ${kind}; ${advice}`);
}
