import { describe } from "vitest";
import { createReferenceBackend } from "../../src/backend/reference/reference-kernels.ts";
import { simdNames } from "../../src/backend/wasm/host/simd.ts";
import { enableRelaxedSimd } from "../../src/backend/wasm/node/enable-relaxed-simd.ts";
import { enableWideSimd } from "../../src/backend/wasm/node/enable-wide-simd.ts";
import { createWasmBackend } from "../../src/backend/wasm/wasm-backend.ts";
import { conformance } from "./conformance.ts";
import { ieee, wasm } from "./conformance-tolerance.ts";

conformance("reference", createReferenceBackend, { ...ieee, dtypes: ["float32", "float64"], ulps: {} });

const runs = { baseline: true, relaxed: enableRelaxedSimd(), wide: enableWideSimd() };

for (const threads of [1, 2])
  for (const simd of simdNames) {
    const name = `wasm, ${threads === 1 ? "1 thread" : `${threads} threads`}, ${simd} SIMD`;
    if (runs[simd]) conformance(name, () => createWasmBackend({ threads, simd }), wasm);
    else describe.skip(`conformance of ${name}: this engine has no ${simd} SIMD`, () => {});
  }
