/** What a backend may be asked for when it is made. A backend ignores the options that it has no use for. */

import { type OptionNames, optionNames } from "../core/options.ts";
export interface BackendOptions {
  /** Threads that compute, the caller's included; wasm only. Default: the machine's cores, or 1 where memory cannot be shared. */
  readonly threads?: number;
  /** Upper bound of the backend's memory in bytes; wasm only. Default: 4 GiB, or as much as the engine allows. */
  readonly maximumBytes?: number;
  /** Fused multiply-add (relaxed SIMD); wasm only. Default "auto": used where the engine has it. */
  readonly relaxedSimd?: "auto" | "on" | "off";
}

/** The names of `BackendOptions`. */
export const backendOptions: OptionNames = optionNames<BackendOptions>({ threads: true, maximumBytes: true, relaxedSimd: true });
