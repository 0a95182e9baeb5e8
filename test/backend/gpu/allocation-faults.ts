/**
 * A training step on a device of which one allocation fails. Every launch of gpu.js allocates its result. In plain JavaScript, the
 * allocation throws. WebGPU gives a buffer that holds nothing, and reports the error later.
 */

import { GPU } from "gpu.js";
import { expect } from "vitest";
import { useBackend } from "../../../src/backend/active.ts";
import { createGpuBackend, type GpuBackend } from "../../../src/backend/gpu/gpu-backend.ts";
import { openGpu } from "../../../src/backend/gpu/gpu-js.ts";
import { gpuModes } from "../../../src/backend/gpu/gpu-mode.ts";
import { BackendError } from "../../../src/core/errors.ts";
import { type Batch, epochBatches } from "../../../src/data/batches.ts";
import { type Checkpoint, decodeCheckpoint, encodeCheckpoint, restoreTrainer } from "../../../src/train/checkpoint.ts";
import type { Trainer } from "../../../src/train/trainer.ts";
import { stateOf, tinyConfig, tinyImages, tinyTraining } from "../../train/tiny-training.ts";

type Mode = "cpu" | "webgpu";

/** Counts the allocations of a device. The one with the number `failAt` fails. */
interface Allocations {
  count: number;
  failAt: number | undefined;
  restore(): void;
}

/** Whether this allocation fails. */
function fails(allocations: Allocations): boolean {
  return ++allocations.count === allocations.failAt;
}

/** Makes the results of launches fail in plain JavaScript. It must be called before a backend is created. */
function watchLaunches(): Allocations {
  const prototype = GPU.prototype as unknown as { createKernel: (...settings: unknown[]) => object };
  const { createKernel } = prototype;
  const restore = (): void => void Object.assign(prototype, { createKernel });
  const allocations: Allocations = { count: 0, failAt: undefined, restore };
  prototype.createKernel = function (this: unknown, ...settings) {
    return new Proxy(createKernel.apply(this, settings), {
      apply: (kernel, self, inputs) => {
        if (fails(allocations)) throw new RangeError("Array buffer allocation failed");
        return Reflect.apply(kernel as (...inputs: unknown[]) => unknown, self, inputs) as unknown;
      },
    });
  };
  return allocations;
}

interface BufferMaker {
  createBuffer(what: { size: number }): object;
}

/** Makes buffers of the device that all WebGPU backends share fail. A buffer of 2⁴⁵ bytes fails as any buffer does without memory. */
async function watchBuffers(): Promise<Allocations> {
  const device = (await (await openGpu(gpuModes.webgpu)).acquireWebGpu()).device as unknown as BufferMaker;
  const createBuffer = device.createBuffer.bind(device);
  const restore = (): void => void Object.assign(device, { createBuffer });
  const allocations: Allocations = { count: 0, failAt: undefined, restore };
  device.createBuffer = (what) => createBuffer(fails(allocations) ? { ...what, size: 2 ** 45 } : what);
  return allocations;
}

const advice = { cpu: /; use a smaller batch or another backend$/, webgpu: /use a smaller batch/ } as const satisfies Record<Mode, RegExp>;

/** The error of a promise, which must be one of the library that says what to do; undefined where the promise gives a value. */
async function errorOf(mode: Mode, promise: Promise<unknown>, what: string): Promise<BackendError | undefined> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error === undefined) return undefined;
  expect(error, what).toBeInstanceOf(BackendError);
  expect((error as BackendError).message, what).toMatch(advice[mode]);
  return error as BackendError;
}

/** Two batches of the tiny images. */
async function batches(): Promise<readonly [Batch, Batch]> {
  const taken: Batch[] = [];
  const { batchSize, seed } = tinyConfig;
  for await (const batch of epochBatches(tinyImages, "train", { batchSize, seed, epoch: 0, shuffle: true })) taken.push(batch);
  return [taken[0]!, taken[1]!];
}

function restored(checkpoint: Checkpoint): Trainer {
  const { trainer } = tinyTraining(tinyConfig);
  restoreTrainer(trainer, checkpoint);
  return trainer;
}

const disposeAll = ({ model, optimizer }: Trainer): void => {
  model.dispose();
  optimizer.dispose();
};

/** What the device holds when all work that was asked for is done. */
async function held(backend: GpuBackend): Promise<{ storages: number; used: number; handles: number }> {
  await backend.fence();
  const { storages, used } = backend.memory();
  return { storages, used, handles: backend.counters().handles };
}

export interface FaultReport {
  /** The allocations of a step. */
  readonly allocations: number;
  /** How many of them failed in turn. */
  readonly failed: number;
  /** Where the error showed: in the step, or only when the state was read for a checkpoint. */
  readonly inStep: number;
  readonly inSave: number;
  /** Failures without effect: the step ended with the undisturbed bits. */
  readonly harmless: number;
}

/**
 * Lets allocations of the second step of a training fail, one after another, and checks that
 * - the step, or the reading of the state for a checkpoint, throws a BackendError that says what to do; otherwise the state is right;
 * - the device then holds no more than before the step, and nothing when the training is disposed of;
 * - a training that is restored from the checkpoint before the step comes to the bits of an undisturbed one.
 * @param points How many allocations fail, spread over the step. Default: all.
 */
export async function failAllocations(mode: Mode, points: number = Number.POSITIVE_INFINITY): Promise<FaultReport> {
  const allocations = mode === "cpu" ? watchLaunches() : await watchBuffers();
  let backend: GpuBackend | undefined;
  const begin = async (): Promise<GpuBackend> => {
    backend?.dispose();
    backend = await createGpuBackend(mode);
    useBackend(backend);
    return backend;
  };
  try {
    const [first, second] = await batches();
    await begin();
    const { trainer } = tinyTraining(tinyConfig);
    await trainer.step(first);
    const checkpoint = await decodeCheckpoint(await encodeCheckpoint(trainer, {}), "checkpoint");
    disposeAll(trainer);
    const undisturbed = restored(checkpoint);
    await backend!.fence();
    allocations.count = 0;
    await undisturbed.step(second);
    await backend!.fence();
    const total = allocations.count;
    const expected = await stateOf(undisturbed);
    const report = { allocations: total, failed: 0, inStep: 0, inSave: 0, harmless: 0 };
    const stride = Math.max(1, total / points);
    for (let at = 1; at <= total; at += stride) {
      const n = Math.floor(at);
      const what = `${mode}: allocation ${n} of ${total}`;
      const now = await begin();
      const empty = await held(now);
      const victim = restored(checkpoint);
      const before = await held(now);
      Object.assign(allocations, { count: 0, failAt: n });
      const failure = await errorOf(mode, victim.step(second), what);
      await now.fence();
      allocations.failAt = undefined;
      const state = stateOf(victim);
      const unreadable = await errorOf(mode, state, what);
      const { handles, ...left } = await held(now);
      expect(left, what).toEqual({ storages: before.storages, used: before.used });
      // A storage whose op has failed has no elements, and so no handle.
      expect(handles, what).toBeLessThanOrEqual(before.handles);
      if (failure === undefined && unreadable === undefined) expect(await state, what).toEqual(expected);
      disposeAll(victim);
      expect(await held(now), what).toEqual(empty);
      report.failed++;
      report[failure !== undefined ? "inStep" : unreadable !== undefined ? "inSave" : "harmless"]++;
      // A device that has reported an error is opened again. In plain JavaScript the same backend goes on.
      if (mode === "webgpu") await begin();
      const again = restored(checkpoint);
      await again.step(second);
      expect(await stateOf(again), what).toEqual(expected);
      disposeAll(again);
    }
    return report;
  } finally {
    allocations.restore();
    useBackend(undefined);
    backend?.dispose();
  }
}
