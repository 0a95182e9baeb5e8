/**
 * Node's process, undefined in browsers. Its modules are reached through it without imports, so bundles for browsers need no substitutes.
 */
export const nodeProcess = (): NodeJS.Process | undefined =>
  (globalThis as { process?: NodeJS.Process }).process?.versions?.node === undefined ? undefined : process;
