/** Starts each test on a new reference backend, so that `memory()` counts only the tensors of that test. */

import { afterEach, beforeEach } from "vitest";
import { useBackend } from "../../src/backend/active.ts";
import { createReferenceBackend } from "../../src/backend/reference/reference-kernels.ts";

export function onReferenceBackend(): void {
  beforeEach(() => useBackend(createReferenceBackend()));
  afterEach(() => useBackend(undefined));
}
