/** Node only: fused multiply-add for engines that have it behind a flag. */

import { setFlagsFromString } from "node:v8";
import { hasRelaxedSimd } from "../host/kernel-module.ts";

/**
 * Turns on relaxed SIMD in engines that hide it (V8 before 11.4: Node 20), and tells whether it is there. It changes a flag of the whole
 * process, so it is for the program that owns the process, not for libraries. Call it before `createWasmBackend`.
 */
export function enableRelaxedSimd(): boolean {
  if (!hasRelaxedSimd()) setFlagsFromString("--experimental-wasm-relaxed-simd");
  return hasRelaxedSimd();
}
