/** Each test starts on a fresh reference backend, so that `memory()` counts what that test made. */

import { afterEach, beforeEach } from "vitest";
import { useBackend } from "../../src/backend/active.ts";
import { createReferenceBackend } from "../../src/backend/reference/reference-kernels.ts";

export function onReferenceBackend(): void {
  beforeEach(() => useBackend(createReferenceBackend()));
  afterEach(() => useBackend(undefined));
}
