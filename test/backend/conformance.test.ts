import { describe } from "vitest";
import { createReferenceBackend } from "../../src/backend/reference/reference-kernels.ts";
import { simdNames } from "../../src/backend/wasm/host/simd.ts";
import { enableRelaxedSimd } from "../../src/backend/wasm/node/enable-relaxed-simd.ts";
import { enableWideSimd } from "../../src/backend/wasm/node/enable-wide-simd.ts";
import { createWasmBackend } from "../../src/backend/wasm/wasm-backend.ts";
import { conformance } from "./conformance.ts";
import { ieee, type Tolerance } from "./conformance-tolerance.ts";

conformance("reference", createReferenceBackend, { ...ieee, dtypes: ["float32", "float64"], ulps: {} });

/**
 * exp and log are polynomials: 1.01 and 0.8 ulp at worst in millions of draws; 1/√x is two rounded operations (½ + 1 ulp);
 * tanh and sigmoid round a few more around exp.
 */
const wasm: Tolerance = {
  ...ieee,
  dtypes: ["float32", "float64"],
  ulps: { exp: 1.5, log: 1.5, reciprocalSqrt: 1.5, tanh: 2, sigmoid: 3 },
};
const runs = { baseline: true, relaxed: enableRelaxedSimd(), wide: enableWideSimd() };

for (const threads of [1, 2])
  for (const simd of simdNames) {
    const name = `wasm, ${threads === 1 ? "1 thread" : `${threads} threads`}, ${simd} SIMD`;
    if (runs[simd]) conformance(name, () => createWasmBackend({ threads, simd }), wasm);
    else describe.skip(`conformance of ${name}: this engine has no ${simd} SIMD`, () => {});
  }
