/** What a backend may be asked for when it is made. A backend ignores the options that it has no use for. */

import { type OptionNames, optionNames } from "../core/options.ts";
export interface BackendOptions {
  /** Threads that compute, the caller's included: 1 to 64; wasm only. Default: the machine's cores, or 1 where memory cannot be shared. */
  readonly threads?: number;
  /** Upper bound of the backend's memory in bytes; wasm only. Default: 4 GiB, or as much as the engine allows. */
  readonly maximumBytes?: number;
  /**
   * The build of the kernels: `baseline` (128-bit SIMD), `relaxed` (with fused multiply-add) or `wide` (256-bit, after `enableWideSimd()`
   * of separable/node); wasm only. Default "auto": the last of these that runs here. A build that is named and cannot run is an error.
   */
  readonly simd?: "auto" | "baseline" | "relaxed" | "wide";
}

/** The names of `BackendOptions`. */
export const backendOptions: OptionNames = optionNames<BackendOptions>({ threads: true, maximumBytes: true, simd: true });
