/** The self-test of a device: a small matrix product, computed there and read back before the backend is used. */

import { BackendError } from "../../core/errors.ts";
import type { Kernels } from "../kernels.ts";

/**
 * Computes C = A·B of small whole numbers, so that every correct device gives the exact result. k is larger than 1000 because gpu.js ends
 * longer loops without an error unless it is configured otherwise.
 * @throws BackendError for a wrong element of C.
 */
export async function selfTest(backend: Kernels): Promise<void> {
  const [m, k, n] = [3, 1500, 4];
  const valuesOf = (length: number, factor: number): Float32Array => Float32Array.from({ length }, (_, i) => ((i * factor) % 7) - 3);
  const [a, b] = [valuesOf(m * k, 3), valuesOf(k * n, 4)];
  const [A, B] = [backend.upload("float32", a), backend.upload("float32", b)];
  const geometry = { batch: 1, m, k, n, transposeA: false, transposeB: false, batchStrideA: m * k, batchStrideB: k * n };
  const C = backend.matmul(A, B, geometry);
  try {
    const got = await C.read();
    for (let i = 0; i < m; i++)
      for (let j = 0; j < n; j++) {
        let expected = 0;
        for (let l = 0; l < k; l++) expected += a[i * k + l]! * b[l * n + j]!;
        if (got[i * n + j] !== expected)
          throw new BackendError(
            `${backend.name}: the self-test's product must be ${expected} at [${i},${j}], got ${got[i * n + j]}; ` +
              "this device computes wrong results, use another backend",
          );
      }
  } finally {
    for (const storage of [A, B, C]) storage.release();
  }
}
