/** Training on a device: a step reads nothing before it is dispatched, and leaves no memory. The device is gpu.js in plain JavaScript. */

import { afterAll, beforeAll, expect, test } from "vitest";
import { memory, useBackend } from "../../src/backend/active.ts";
import { createGpuBackend, type GpuBackend } from "../../src/backend/gpu/gpu-backend.ts";
import { Buffer } from "../../src/nn/state.ts";
import { tensor } from "../../src/ops/creation.ts";
import { encodeCheckpoint } from "../../src/train/checkpoint.ts";
import { trainEpochs } from "../../src/train/train-epochs.ts";
import { tinyConfig, tinyTraining } from "./tiny-training.ts";

let backend: GpuBackend;
beforeAll(async () => {
  backend = await createGpuBackend("cpu");
  useBackend(backend);
});
afterAll(() => {
  useBackend(undefined);
  backend.dispose();
});

/** The memory that is held after all dispatched work is done. */
async function held(): Promise<object> {
  await backend.fence();
  const { storages, used } = memory();
  return { storages, used, handles: backend.counters().handles };
}

test("a step is dispatched as a whole, and then its loss and its predictions are read, and nothing else", async () => {
  const { trainer, options } = tinyTraining(tinyConfig);
  for await (const batch of options.trainBatches(0, 0)) {
    const before = backend.counters();
    const pending = trainer.step(batch);
    const asked = backend.counters();
    await pending;
    const after = backend.counters();
    expect(asked.launches).toBeGreaterThan(before.launches);
    expect(after.launches).toBe(asked.launches);
    expect(after.readbacks).toBe(before.readbacks + 2);
  }
  trainer.model.dispose();
  // What is left to the garbage collector would be freed in the middle of the next test, which measures the memory.
  trainer.optimizer.dispose();
});

test.each(["sgd", "adam"] as const)(
  "every epoch with %s ends with as much memory on the device as the one before, and all of it can be freed",
  async (optimizer) => {
    const before = await held();
    const { trainer, options } = tinyTraining({ ...tinyConfig, optimizer, epochs: 4, rate: 0.01 });
    const after: object[] = [];
    await trainEpochs(trainer, {
      ...options,
      onEpoch: async () => {
        await encodeCheckpoint(trainer, {});
        after.push(await held());
      },
    });
    expect(after).toHaveLength(4);
    for (const epoch of after) expect(epoch).toEqual(after[0]);
    trainer.model.dispose();
    for (const state of trainer.optimizer.state().values()) if (state instanceof Buffer) state.value.dispose();
    expect(await held()).toEqual(before);
  },
);

test("a loss that is not finite is an error", async () => {
  const { trainer, options } = tinyTraining({ ...tinyConfig, rate: 1e30 });
  await expect(trainEpochs(trainer, options)).rejects.toThrow(/train: the loss must be finite, got (NaN|-?Infinity) at step \d/);
  trainer.model.dispose();
});

test("float64 is refused by name", () =>
  expect(() => tensor([1], { dtype: "float64" })).toThrow(
    /cpu: devices compute in float32, got float64; use the wasm or reference backend/,
  ));
