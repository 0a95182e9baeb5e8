/** The arena grows in the middle of a kernel: operands must be read where they are then, not where they were. */

import { expect, test } from "vitest";
import { viewOf } from "../../../src/backend/host-storage.ts";
import { createWasmBackend } from "../../../src/backend/wasm/wasm-backend.ts";

test("gather and scatterAdd read their indices after the growth they cause", async () => {
  const k = await createWasmBackend({ threads: 1 });
  const wide = 2 ** 20;
  const indices = k.upload("int32", [2, 0, 1]);
  const x = k.upload(
    "float32",
    Float32Array.from({ length: 3 * wide }, (_, i) => Math.floor(i / wide)),
  );
  const before = k.memory().reserved;
  const chosen = Array.from({ length: 3 }, () => k.gather(x, indices, { outer: 1, axis: 3, inner: wide }));
  const added = Array.from({ length: 3 }, () => k.scatterAdd(x, indices, { outer: 1, axis: 3, inner: wide }));
  expect(k.memory().reserved).toBeGreaterThan(before);
  for (const y of chosen) expect([0, wide, 2 * wide].map((at) => viewOf(y)[at])).toEqual([2, 0, 1]);
  for (const y of added) expect([0, wide, 2 * wide].map((at) => viewOf(y)[at])).toEqual([1, 2, 0]);
});
