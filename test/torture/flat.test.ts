/**
 * Training of any length holds as much memory as at its beginning: after 10,000 steps of a tiny network, `memory()` and the heap of
 * JavaScript are as they were after 500. test/train/footprint.test.ts is the short form.
 */

import { afterEach, expect, test } from "vitest";
import { memory, useBackend } from "../../src/backend/active.ts";
import { collectGarbage } from "../../src/backend/collect-garbage.ts";
import type { Kernels } from "../../src/backend/kernels.ts";
import { createReferenceBackend } from "../../src/backend/reference/reference-kernels.ts";
import { createWasmBackend } from "../../src/backend/wasm/wasm-backend.ts";
import { tinyConfig, tinyTraining } from "../train/tiny-training.ts";

const [warmUp, steps] = [500, 10_000];
/** The heap varies by some hundred kilobytes with what the engine compiles. A leak of one object of 100 bytes a step exceeds this. */
const heapGrowth = 900_000;

const backends: [string, () => Kernels | Promise<Kernels>][] = [
  ["reference", createReferenceBackend],
  ["wasm, one thread", () => createWasmBackend({ threads: 1 })],
  ["wasm, two threads", () => createWasmBackend({ threads: 2 })],
];

let backend: Kernels | undefined;
afterEach(() => {
  useBackend(undefined);
  backend?.dispose?.();
});

test.each(backends)("on %s", async (_, make) => {
  backend = await make();
  useBackend(backend);
  const { trainer, options } = tinyTraining({ ...tinyConfig, epochs: steps });
  const held = (): { used: number; storages: number; heap: number } => {
    collectGarbage();
    const { used, storages } = memory();
    return { used, storages, heap: process.memoryUsage().heapUsed };
  };
  let done = 0;
  let early: ReturnType<typeof held> | undefined;
  for (let epoch = 0; done < steps; epoch++)
    for await (const batch of options.trainBatches(epoch % 100, 0)) {
      await trainer.step(batch);
      if (++done === warmUp) early = held();
    }
  const late = held();
  expect({ used: late.used, storages: late.storages }).toEqual({ used: early!.used, storages: early!.storages });
  expect(late.heap - early!.heap).toBeLessThan(heapGrowth);
});
