/** The one property of every structured map, over every family, initialisation and path, on whatever backend. */

import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { useBackend } from "../../src/backend/active.ts";
import type { Kernels } from "../../src/backend/kernels.ts";
import { checkStructuredLinear } from "../../src/structured/check-structured-linear.ts";
import { createLinear } from "../../src/structured/create-convolution.ts";
import { type StructuredConfiguration, structuredConfigurations, structuredKinds } from "../arbitraries/structured.ts";

/** Promises alone never let finalizers run, and thousands of cases would keep all their tensors: a turn of the event loop for each. */
const collectable = (): Promise<void> =>
  new Promise((resolve) => {
    if (typeof setImmediate === "function") setImmediate(resolve);
    else setTimeout(resolve); // browsers
  });

export interface PropertyOptions {
  readonly dtype: "float32" | "float64";
  /** Maps of each family. */
  readonly cases: number;
}

export function structuredLinearProperty(name: string, create: () => Kernels | Promise<Kernels>, { dtype, cases }: PropertyOptions): void {
  describe(`structured maps on ${name}`, () => {
    beforeAll(async () => useBackend(await create()));
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
}
