/** The wide kernels in the engine that runs this file: all kernels against the reference, and the structured maps on them. */

import { enableRelaxedSimd } from "../../../src/backend/wasm/node/enable-relaxed-simd.ts";
import { enableWideSimd } from "../../../src/backend/wasm/node/enable-wide-simd.ts";
import { createWasmBackend } from "../../../src/backend/wasm/wasm-backend.ts";
import { conformance } from "../../backend/conformance.ts";
import { wasm } from "../../backend/conformance-tolerance.ts";
import { structuredLinearProperty } from "../../structured/structured-linear-property.ts";

enableRelaxedSimd();
enableWideSimd();

const create = () => createWasmBackend({ threads: 2, simd: "wide" });
conformance("wasm, 2 threads, wide SIMD", create, wasm);
structuredLinearProperty("wasm, 2 threads, wide SIMD", create, { dtype: "float32", cases: 40 });
