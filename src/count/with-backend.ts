/** Code that runs on another backend for a moment. */

import { kernels, useBackend } from "../backend/active.ts";
import type { Kernels } from "../backend/kernels.ts";
import { BackendError } from "../core/errors.ts";

/** Runs `body` on a backend of its own, and then returns to the backend before, if there was one. */
export function withBackend<T>(backend: Kernels, body: () => T): T {
  let before: Kernels | undefined;
  try {
    before = kernels();
  } catch (error) {
    if (!(error instanceof BackendError)) throw error;
  }
  useBackend(backend);
  try {
    return body();
  } finally {
    useBackend(before);
  }
}
