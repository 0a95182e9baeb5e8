/** The one property of every structured map, over every family, initialisation, backend and path. */

import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { useBackend } from "../../src/backend/active.ts";
import type { Kernels } from "../../src/backend/kernels.ts";
import { createReferenceBackend } from "../../src/backend/reference/reference-kernels.ts";
import { createWasmBackend } from "../../src/backend/wasm/wasm-backend.ts";
import { checkStructuredLinear } from "../../src/structured/check-structured-linear.ts";
import { createLinear } from "../../src/structured/families.ts";
import { type StructuredConfiguration, structuredConfigurations, structuredKinds } from "../arbitraries/structured.ts";

/** Cases a family; `npm run test:deep` asks for more. */
const cases = Number(process.env.STRUCTURED_CASES ?? 200);

/** Promises alone never let finalizers run, and thousands of cases would keep all their tensors: a turn of the event loop for each. */
const collectable = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const backends: readonly { readonly name: string; readonly dtype: "float32" | "float64"; create(): Kernels | Promise<Kernels> }[] = [
  { name: "reference in float64", dtype: "float64", create: createReferenceBackend },
  { name: "reference in float32", dtype: "float32", create: createReferenceBackend },
  { name: "wasm, 1 thread", dtype: "float32", create: () => createWasmBackend({ threads: 1 }) },
  { name: "wasm, 2 threads", dtype: "float32", create: () => createWasmBackend({ threads: 2 }) },
];

describe.each(backends)("structured maps on $name", ({ dtype, create }) => {
  let backend: Kernels;
  beforeAll(async () => {
    backend = await create();
    useBackend(backend);
  });
  afterAll(() => useBackend(undefined));

  const check = ({ spec, inFeatures, outFeatures, rows, seed, init }: StructuredConfiguration): Promise<string[]> =>
    checkStructuredLinear((build) => createLinear(spec, inFeatures, outFeatures, build, { init }), { seed: seed % 2 ** 31, rows, dtype });

  test.each(structuredKinds)("%s", async (kind) => {
    await fc.assert(
      fc.asyncProperty(structuredConfigurations(kind), async (configuration) => {
        expect(await check(configuration)).toEqual([]);
        await collectable();
      }),
      { numRuns: cases },
    );
  });
});
