/** A few numbers through the device and back, before anybody relies on it. */

import { BackendError } from "../../core/errors.ts";
import type { Kernels } from "../kernels.ts";

/** C = A·B of small whole numbers, exact wherever floats are, with a sum longer than gpu.js's loops run unless told to. */
export async function selfTest(backend: Kernels): Promise<void> {
  const [m, k, n] = [3, 1500, 4];
  const [a, b] = [m * k, k * n].map((length, seed) => Float32Array.from({ length }, (_, i) => ((i * (seed + 3)) % 7) - 3));
  const operands = [backend.upload("float32", a!), backend.upload("float32", b!)] as const;
  const geometry = { batch: 1, m, k, n, transposeA: false, transposeB: false, batchStrideA: m * k, batchStrideB: k * n };
  const product = backend.matmul(...operands, geometry);
  try {
    const got = await product.read();
    for (let i = 0; i < m; i++)
      for (let j = 0; j < n; j++) {
        let expected = 0;
        for (let l = 0; l < k; l++) expected += a![i * k + l]! * b![l * n + j]!;
        if (got[i * n + j] !== expected)
          throw new BackendError(
            `${backend.name}: the self-test's product must be ${expected} at [${i},${j}], got ${got[i * n + j]}; this device computes wrong, use another backend`,
          );
      }
  } finally {
    for (const storage of [...operands, product]) storage.release();
  }
}
