/** The builds of the kernels, the slowest first: which of them an engine can run. */

import { BackendError } from "../../../core/errors.ts";

/**
 * `baseline` is 128-bit SIMD, `relaxed` has fused multiply-add, and `wide` is `relaxed` in pairs of vectors, which the engine joins to 256
 * bits (wide-simd.ts).
 */
export const simdNames = ["baseline", "relaxed", "wide"] as const;
export type Simd = (typeof simdNames)[number];

/** (func (param v128 v128 v128) (result v128) f32x4.relaxed_madd): valid where relaxed SIMD is. */
const relaxedProbe = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 8, 1, 96, 3, 123, 123, 123, 1, 123, 3, 2, 1, 0, 10, 13, 1, 11, 0, 32, 0, 32, 1, 32, 2, 253, 133, 2, 11,
]);

/** Whether the engine has fused multiply-add (relaxed SIMD). Node 20 has it behind a flag (node/enable-relaxed-simd.ts). */
export const hasRelaxedSimd = (): boolean => WebAssembly.validate(relaxedProbe);

/** The narrow build that runs here. @throws BackendError when relaxed SIMD is demanded and the engine has none. */
export function narrowSimd(wanted: "auto" | "baseline" | "relaxed"): "baseline" | "relaxed" {
  if (wanted === "baseline") return "baseline";
  if (hasRelaxedSimd()) return "relaxed";
  if (wanted === "relaxed")
    throw new BackendError(
      'wasm: simd "relaxed" needs an engine with relaxed SIMD; use "auto", or call enableRelaxedSimd() first (Node 20), ' +
        "or run node --experimental-wasm-relaxed-simd",
    );
  return "baseline";
}
