/**
 * A training step that runs out of memory at any of its allocations: it throws a BackendError, frees everything that it made, and changes
 * nothing. The same batch then trains to the same bits as if nothing had happened.
 */

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { memory, useBackend } from "../../src/backend/active.ts";
import { StorageWatch } from "../../src/backend/storage-watch.ts";
import { Arena } from "../../src/backend/wasm/host/arena.ts";
import { createWasmBackend, type WasmBackend } from "../../src/backend/wasm/wasm-backend.ts";
import type { Context } from "../../src/core/context.ts";
import { BackendError } from "../../src/core/errors.ts";
import { Random } from "../../src/core/random.ts";
import type { Batch } from "../../src/data/batches.ts";
import { BatchNorm2d } from "../../src/nn/batch-norm2d.ts";
import { Sequential } from "../../src/nn/combinators.ts";
import { Conv2d } from "../../src/nn/conv2d.ts";
import { Dropout, Flatten, MaxPool2d, ReLU } from "../../src/nn/layers.ts";
import { Linear } from "../../src/nn/linear.ts";
import type { Layer } from "../../src/nn/module.ts";
import { parseConvolution } from "../../src/structured/convolution-text.ts";
import { convolutionFactory } from "../../src/structured/create-convolution.ts";
import type { Mode } from "../../src/structured/structured-linear.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { Adam } from "../../src/train/adam.ts";
import { Sgd } from "../../src/train/sgd.ts";
import { Trainer } from "../../src/train/trainer.ts";
import { stateOf } from "./tiny-training.ts";

const batch: Batch = (() => {
  const random = new Random(7);
  return { images: Float32Array.from({ length: 2 * 3 * 64 }, () => random.normal()), labels: Int32Array.of(0, 2), count: 2 } as Batch;
})();

/** Dense, depthwise and structured convolutions, whose kernels take scratch memory and give several results. */
class Network extends Sequential {
  constructor(random: Random) {
    const build = { random };
    const structured = (text: string, mode: Mode = "auto"): Layer =>
      convolutionFactory(parseConvolution(text), { mode })({ inChannels: 8, outChannels: 8, kernel: 3 }, build);
    super(
      new Conv2d(3, 8, 3, build, { padding: 1 }),
      new BatchNorm2d(8, build),
      ReLU(),
      structured("Sep"),
      MaxPool2d({ kernel: 2 }),
      structured("ACDC_3"),
      new BatchNorm2d(8, build),
      ReLU(),
      structured("LR_0.5", "factorized"),
      Flatten(),
      Dropout(0.3),
      new Linear(8 * 16, 3, build),
    );
  }

  override forward(x: Tensor, context: Context): Tensor {
    return super.forward(x, context);
  }
}

function trainerWith(optimizer: "sgd" | "adam"): Trainer {
  const random = new Random(3);
  const model = new Network(random);
  const groups = [{ parameters: model.parameters(), weightDecay: 1e-3 }];
  return new Trainer({
    model,
    optimizer: optimizer === "sgd" ? new Sgd(groups, { momentum: 0.9 }) : new Adam(groups),
    schedule: () => 0.05,
    imageShape: [3, 8, 8],
    batchesPerEpoch: 4,
    random: random.fork(1),
  });
}

/** Counts the arena's allocations. From the number `failFrom` on, all of them fail. */
const faults = { count: 0, failFrom: Number.POSITIVE_INFINITY };

let backend: WasmBackend;
beforeEach(async () => {
  backend = await createWasmBackend({ threads: 1 });
  useBackend(backend);
  Object.assign(faults, { count: 0, failFrom: Number.POSITIVE_INFINITY });
  const allocate = Arena.prototype.allocate;
  vi.spyOn(Arena.prototype, "allocate").mockImplementation(function (this: Arena, bytes) {
    return ++faults.count >= faults.failFrom ? undefined : allocate.call(this, bytes);
  });
  // Nothing may be left for the collector to find, and one collection for each failure would take seconds.
  vi.spyOn(StorageWatch.prototype, "collect").mockReturnValue();
});
afterEach(() => {
  vi.restoreAllMocks();
  useBackend(undefined);
  backend.dispose();
});

test.each(["sgd", "adam"] as const)("each allocation of a step with %s may fail", async (optimizer) => {
  const [undisturbed, trainer] = [trainerWith(optimizer), trainerWith(optimizer)];
  // Momenta and running statistics have values of their own after the first step.
  for (const one of [undisturbed, trainer]) await one.step(batch);
  faults.count = 0;
  await undisturbed.step(batch);
  const allocations = faults.count;
  expect(allocations).toBeGreaterThan(60);
  const before = await stateOf(trainer);
  const { used, storages } = memory();
  for (let n = 1; n <= allocations; n++) {
    Object.assign(faults, { count: 0, failFrom: n });
    const error = await trainer.step(batch).catch((reason: unknown) => reason);
    faults.failFrom = Number.POSITIVE_INFINITY;
    expect(error, `allocation ${n}`).toBeInstanceOf(BackendError);
    expect(memory(), `allocation ${n}`).toMatchObject({ used, storages });
    expect(await stateOf(trainer), `allocation ${n}`).toEqual(before);
  }
  await trainer.step(batch);
  expect(await stateOf(trainer)).toEqual(await stateOf(undisturbed));
});
