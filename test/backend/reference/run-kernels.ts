/** The float64 kernels of the reference backend on plain arrays, for tests that compare them with oracles of their own. */

import { viewOf } from "../../../src/backend/host-storage.ts";
import type { Kernels } from "../../../src/backend/kernels.ts";
import { createReferenceBackend } from "../../../src/backend/reference/reference-kernels.ts";
import type { Storage } from "../../../src/tensor/storage.ts";

export const reference: Kernels = createReferenceBackend();

export const float64 = (data: ArrayLike<number>): Storage => reference.upload("float64", data);
export const int32 = (data: ArrayLike<number>): Storage => reference.upload("int32", data);
export const numbers = (storage: Storage): number[] => Array.from(viewOf(storage));

/** Σ aᵢ·bᵢ, and Σ |aᵢ·bᵢ|, which bounds its rounding error. */
export function inner(a: ArrayLike<number>, b: ArrayLike<number>): { value: number; size: number } {
  let value = 0;
  let size = 0;
  for (let i = 0; i < a.length; i++) {
    value += a[i]! * b[i]!;
    size += Math.abs(a[i]! * b[i]!);
  }
  return { value, size };
}
