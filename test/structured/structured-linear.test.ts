import { createReferenceBackend } from "../../src/backend/reference/reference-kernels.ts";
import { createWasmBackend } from "../../src/backend/wasm/wasm-backend.ts";
import { structuredLinearProperty } from "./structured-linear-property.ts";

/** Cases a family; `npm run test:deep` asks for more. */
const cases = Number(process.env.STRUCTURED_CASES ?? 60);

structuredLinearProperty("reference in float64", createReferenceBackend, { dtype: "float64", cases });
structuredLinearProperty("reference in float32", createReferenceBackend, { dtype: "float32", cases });
structuredLinearProperty("wasm, 1 thread", () => createWasmBackend({ threads: 1 }), { dtype: "float32", cases });
structuredLinearProperty("wasm, 2 threads", () => createWasmBackend({ threads: 2 }), { dtype: "float32", cases });
