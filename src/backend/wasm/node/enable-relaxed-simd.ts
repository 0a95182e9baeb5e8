/** Node only: fused multiply-add for engines that have it behind a flag. */

import { setFlagsFromString } from "node:v8";
import { hasRelaxedSimd } from "../host/simd.ts";

/**
 * Turns on relaxed SIMD in engines that have it behind a flag (V8 before 11.4: Node 20), and returns whether it is available. The function
 * changes a flag of the whole process, so only the program that owns the process should call it, not a library.
 * Call it before `createWasmBackend`.
 */
export function enableRelaxedSimd(): boolean {
  if (!hasRelaxedSimd()) setFlagsFromString("--experimental-wasm-relaxed-simd");
  return hasRelaxedSimd();
}
