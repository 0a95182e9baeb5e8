/** Products whose blocks of rows share one packed right operand, against sums in float64. */

import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Kernels } from "../../../src/backend/kernels.ts";
import { createWasmBackend } from "../../../src/backend/wasm/wasm-backend.ts";
import { Random } from "../../../src/core/random.ts";

const numbers = (length: number, seed: number): Float32Array => {
  const random = new Random(seed);
  return Float32Array.from({ length }, () => 2 * random.uniform() - 1);
};

describe("matmul on wasm", () => {
  const teams: Kernels[] = [];
  beforeAll(async () => {
    for (const threads of [1, 2]) teams.push(await createWasmBackend({ threads }));
  });
  afterAll(() => {
    for (const kernels of teams) kernels.dispose?.();
  });

  // A block has at most 128 rows and takes 256 steps of k at a time, so these sizes have several of each, whole and not.
  const sizes = { m: fc.integer({ min: 60, max: 420 }), k: fc.integer({ min: 1, max: 560 }), n: fc.integer({ min: 2, max: 70 }) };

  test("is the sum of products, with the same bits on one thread and on two", () =>
    fc.assert(
      fc.property(
        fc.record({ ...sizes, batch: fc.integer({ min: 1, max: 3 }), transposeA: fc.boolean(), transposeB: fc.boolean() }),
        fc.boolean(),
        ({ m, k, n, batch, ...transposed }, repeatsB) => {
          const [a, b] = [numbers(batch * m * k, 1), numbers((repeatsB ? 1 : batch) * k * n, 2)];
          const geometry = { batch, m, k, n, ...transposed, batchStrideA: m * k, batchStrideB: repeatsB ? 0 : k * n };
          const [one, two] = teams.map((kernels) => {
            const [left, right] = [kernels.upload("float32", a), kernels.upload("float32", b)];
            const product = kernels.matmul(left, right, geometry);
            const result = Float32Array.from(product.view!);
            for (const storage of [left, right, product]) storage.release();
            return result;
          });
          expect(two).toEqual(one);
          for (let at = 0; at < batch * m * n; at += 1 + Math.floor((batch * m * n) / 500)) {
            const [z, i, j] = [Math.floor(at / (m * n)), Math.floor(at / n) % m, at % n];
            let [sum, magnitude] = [0, 0];
            for (let step = 0; step < k; step++) {
              const left = a[z * m * k + (transposed.transposeA ? step * m + i : i * k + step)]!;
              const right = b[(repeatsB ? 0 : z * k * n) + (transposed.transposeB ? j * k + step : step * n + j)]!;
              sum += left * right;
              magnitude += Math.abs(left * right);
            }
            // Each of the k additions rounds once more, by at most half a unit of the sum so far.
            expect(Math.abs(one![at]! - sum)).toBeLessThanOrEqual((k + 1) * 2 ** -24 * magnitude);
          }
        },
      ),
      { numRuns: 40 },
    ));
});
