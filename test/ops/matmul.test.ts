/** matmul against the triple loop: all transposes, batches that broadcast, and sizes of 0 and 1. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { ShapeError } from "../../src/core/errors.ts";
import { tensor } from "../../src/ops/creation.ts";
import { matmul } from "../../src/ops/matmul.ts";
import { broadcastPairs, sizes } from "../arbitraries/shapes.ts";
import { seeds } from "../arbitraries/values.ts";
import { broadcastAt, build, expectTensor, toTensor } from "../support/nd-array.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";
import { sample } from "../support/sample.ts";

onReferenceBackend();

test("C[…,i,j] = Σ_p A[…,i,p]·B[…,p,j]", () =>
  fc.assert(
    fc.asyncProperty(
      broadcastPairs({ maxRank: 3, maxSize: 3 }),
      fc.record({ m: sizes(4), k: sizes(4), n: sizes(4), transposeA: fc.boolean(), transposeB: fc.boolean() }),
      seeds,
      async (batch, { m, k, n, transposeA, transposeB }, seed) => {
        const a = sample([...batch.a, ...(transposeA ? [k, m] : [m, k])], seed);
        const b = sample([...batch.b, ...(transposeB ? [n, k] : [k, n])], seed + 1);
        const expected = build([...batch.out, m, n], (index) => {
          const [outer, i, j] = [index.slice(0, -2), index.at(-2)!, index.at(-1)!];
          let total = 0;
          for (let p = 0; p < k; p++)
            total +=
              broadcastAt(a, [...outer, ...(transposeA ? [p, i] : [i, p])]) * broadcastAt(b, [...outer, ...(transposeB ? [j, p] : [p, j])]);
          return total;
        });
        await expectTensor(matmul(toTensor(a), toTensor(b), { transposeA, transposeB }), expected);
      },
    ),
    { numRuns: 300 },
  ));

test("operands that do not fit are refused, and the message has their shapes", () => {
  expect(() => matmul(tensor([[1, 2]]), tensor([[1, 2]]))).toThrow("matmul: inner sizes must agree, got A:[1,2] · B:[1,2]");
  expect(() => matmul(tensor([[1, 2]]), tensor([[1, 2, 3]]), { transposeB: true })).toThrow("A:[1,2] · B:[1,3]ᵀ");
  expect(() => matmul(tensor([1, 2]), tensor([[1], [2]]))).toThrow(ShapeError);
  expect(() => matmul(tensor([[[1]], [[1]]]), tensor([[[1]], [[1]], [[1]]]))).toThrow(ShapeError);
  expect(() => matmul(tensor([[1]]), tensor([[1]], { dtype: "float64" }))).toThrow(ShapeError);
});
