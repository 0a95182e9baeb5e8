import { createReferenceBackend } from "../../src/backend/reference/reference-kernels.ts";
import { conformance } from "./conformance.ts";

conformance("reference", createReferenceBackend, { dtypes: ["float32", "float64"], ulps: {} });
