/** Training steps of WideResNet-10-1 on a device, compared with recorded numbers. This file runs in Node and in the browser page. */

import { useBackend } from "../../../src/backend/active.ts";
import type { DeviceCounters } from "../../../src/backend/gpu/device-stream.ts";
import type { GpuBackend } from "../../../src/backend/gpu/gpu-backend.ts";
import type { Kernels } from "../../../src/backend/kernels.ts";
import { Random } from "../../../src/core/random.ts";
import { compressionRatio } from "../../../src/experiment/compression-ratio.ts";
import { createNetwork, type Network } from "../../../src/experiment/network-spec.ts";
import { gradients } from "../../../src/grad/gradients.ts";
import { crossEntropy } from "../../../src/nn/losses.ts";
import { Buffer } from "../../../src/nn/state.ts";
import { tensor } from "../../../src/ops/creation.ts";
import { parseConvolution } from "../../../src/structured/convolution-text.ts";
import { scope } from "../../../src/tensor/scope.ts";
import type { Tensor } from "../../../src/tensor/tensor.ts";
import { decayGroups } from "../../../src/train/parameter-groups.ts";
import type { NamedArray } from "../../../src/train/safetensors.ts";
import { Sgd } from "../../../src/train/sgd.ts";

/**
 * The recorded numbers of a training: tensors named `logits`, `init/…`, `grad/…`, `bn1/…`, `after1/…` and so on, and the loss of every
 * step.
 */
export interface TrainingRecord {
  readonly convolution: string;
  readonly tensors: ReadonlyMap<string, NamedArray>;
  readonly losses: readonly number[];
}

export interface Batch {
  readonly x: NamedArray;
  readonly labels: ArrayLike<number>;
}

/** The largest error in a group of tensors, and the tensor that has it. */
export interface Deviation {
  readonly tensor: string;
  readonly error: number;
}

/** The launches, uploads and readbacks of a step, from its first op until all its launches have run. */
export interface StepCounters extends Pick<DeviceCounters, "launches" | "uploads" | "readbacks"> {
  /** Readbacks counted at the WebGPU or WebGL API itself; 0 where these calls are not counted. */
  readonly seen: number;
}

export interface TrainingReport {
  readonly steps: readonly StepCounters[];
  /** The readbacks of the first step's loss. They show that the counters count. */
  readonly lossReads: Pick<StepCounters, "readbacks" | "seen">;
  readonly deviations: Readonly<Record<string, Deviation>>;
  /** The storages and handles that are left when everything is disposed. */
  readonly leftover: { readonly storages: number; readonly handles: number };
}

const section = (tensors: ReadonlyMap<string, NamedArray>, name: string): Map<string, NamedArray> =>
  new Map([...tensors].flatMap(([key, value]) => (key.startsWith(`${name}/`) ? [[key.slice(name.length + 1), value]] : [])));

const largest = (values: ArrayLike<number>): number => Array.from(values).reduce((most, v) => Math.max(most, Math.abs(v)), 0);

/**
 * The largest difference over the largest expected magnitude, or over `least` if that is larger. It is infinite where sizes differ or a
 * number is NaN.
 */
export function relativeError(got: ArrayLike<number>, expected: ArrayLike<number>, least = Number.MIN_VALUE): number {
  let difference = got.length === expected.length ? 0 : Infinity;
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(got[i]! - expected[i]!);
    difference = Number.isNaN(error) ? Infinity : Math.max(difference, error);
  }
  return difference / Math.max(least, largest(expected));
}

interface Readable {
  read(): Promise<ArrayLike<number>>;
}

const readable = (value: Tensor): Readable => ({ read: () => value.data() });

/**
 * The rounding error that remains where a float32 sum of thousands of terms cancels, relative to the terms: 64 half units in the last
 * place. Some gradients are exactly zero but for this error, such as that of a bias before a batch normalisation. Their error is measured
 * relative to the largest gradient of the network.
 */
const cancelled = 64 * 2 ** -24;

interface Training {
  readonly model: Network;
  readonly optimizer: Sgd;
  readonly images: Tensor;
}

/**
 * The network and optimiser of a record, built as for the fixtures: the weight decay of structured maps is scaled by the compression ratio.
 */
function begin({ convolution, tensors }: TrainingRecord, { x }: Batch, dtype: "float32" | "float64"): Training {
  const spec = { kind: "wrn" as const, depth: 10, width: 1, convolution: parseConvolution(convolution) };
  const model = createNetwork(spec, 10, { random: new Random(0), dtype }, { init: "variance-preserving" });
  const initial = section(tensors, "init");
  if (initial.size > 0) model.loadState(initial);
  const groups = decayGroups(model, { full: 5e-4, compressed: 5e-4 * compressionRatio(spec, 10, model) });
  return { model, optimizer: new Sgd(groups, { momentum: 0.9 }), images: tensor(x.data, { shape: x.shape, dtype }) };
}

function step({ model, optimizer, images }: Training, labels: ArrayLike<number>) {
  const values = optimizer.parameters.map(({ value }) => value);
  const { logits, loss, grads } = scope(() => {
    const logits = model.forward(images, { training: true });
    const loss = crossEntropy(logits, labels);
    return { logits, loss, grads: gradients(loss, values) };
  });
  const names = new Map([...model.parameters()].map(([name, { value }]) => [value, name]));
  return { logits, loss, grads, named: new Map(grads.map((g, i) => [names.get(values[i]!)!, g])) };
}

function end({ model, optimizer, images }: Training): void {
  images.dispose();
  model.dispose();
  for (const state of optimizer.state().values()) if (state instanceof Buffer) state.value.dispose();
}

/** Trains `steps` steps on one batch and compares all recorded numbers. `tolerance` only determines which gradients count as zero. */
export async function trainOnDevice(
  backend: GpuBackend,
  record: TrainingRecord,
  batch: Batch,
  { steps, tolerance, reads = () => 0 }: { readonly steps: number; readonly tolerance: number; readonly reads?: () => number },
): Promise<TrainingReport> {
  useBackend(backend);
  await backend.fence();
  const before = { storages: backend.memory().storages, handles: backend.counters().handles };
  const training = begin(record, batch, "float32");
  const counters: StepCounters[] = [];
  const deviations: Record<string, Deviation> = {};
  let lossReads = { readbacks: 0, seen: 0 };
  const compare = async (group: string, name: string, got: Readable | undefined, expected: NamedArray, least?: number): Promise<void> => {
    const error = got === undefined ? Infinity : relativeError(await got.read(), expected.data, least);
    if (!(error <= (deviations[group]?.error ?? -1))) deviations[group] = { tensor: name, error };
  };
  const compareState = async (name: string): Promise<void> => {
    const state = training.model.state();
    for (const [key, expected] of section(record.tensors, name)) await compare(name, key, state.get(key), expected);
  };
  for (let number = 1; number <= steps; number++) {
    await backend.fence();
    const [start, readBefore] = [backend.counters(), reads()];
    const { logits, loss, grads, named } = step(training, batch.labels);
    training.optimizer.step(grads, 0.1);
    await backend.fence();
    const [now, seenBefore] = [backend.counters(), reads()];
    counters.push({
      launches: now.launches - start.launches,
      uploads: now.uploads - start.uploads,
      readbacks: now.readbacks - start.readbacks,
      seen: seenBefore - readBefore,
    });
    await compare("loss", `step ${number}`, readable(loss), { shape: [], data: Float64Array.of(record.losses[number - 1]!) });
    if (number === 1) {
      lossReads = { readbacks: backend.counters().readbacks - now.readbacks, seen: reads() - seenBefore };
      await compare("logits", "logits", readable(logits), record.tensors.get("logits")!);
      const expected = section(record.tensors, "grad");
      if (expected.size !== named.size) throw new Error(`expected ${expected.size} gradients, got ${named.size}`);
      const largestGradient = Math.max(...[...expected.values()].map(({ data }) => largest(data)));
      for (const [name, g] of named)
        await compare("gradients", name, readable(g), expected.get(name)!, (cancelled * largestGradient) / tolerance);
      await compareState("bn1");
    }
    await compareState(`after${number}`);
    for (const tensor of [loss, logits, ...grads]) tensor.dispose();
  }
  end(training);
  await backend.fence();
  return {
    steps: counters,
    lossReads,
    deviations,
    leftover: {
      storages: backend.memory().storages - before.storages,
      handles: backend.counters().handles - before.handles,
    },
  };
}

/**
 * Records one step in float64 on the reference backend, for a convolution that has no fixtures. The initial parameters are rounded to
 * float32, so that the device starts from the same ones.
 */
export async function recordStep(reference: Kernels, convolution: string, batch: Batch): Promise<TrainingRecord> {
  useBackend(reference);
  const training = begin({ convolution, tensors: new Map(), losses: [] }, batch, "float64");
  const tensors = new Map<string, NamedArray>();
  for (const [name, state] of training.model.state()) {
    const data = Float64Array.from(await state.read(), Math.fround);
    state.write(data);
    tensors.set(`init/${name}`, { shape: state.shape, data });
  }
  const { logits, loss, grads, named } = step(training, batch.labels);
  const all: [string, Tensor][] = [["logits", logits]];
  for (const [name, g] of named) all.push([`grad/${name}`, g]);
  for (const [name, value] of all) tensors.set(name, { shape: value.shape, data: await value.data() });
  const losses = [await loss.item()];
  training.optimizer.step(grads, 0.1);
  for (const [name, state] of training.model.state()) tensors.set(`after1/${name}`, { shape: state.shape, data: await state.read() });
  for (const tensor of [loss, ...all.map(([, tensor]) => tensor)]) tensor.dispose();
  end(training);
  useBackend(undefined);
  return { convolution, tensors, losses };
}

/** Counts the calls of a method of the WebGPU or WebGL API from now on, independently of the backend's own counters. */
export function countCalls<Name extends string>(prototype: Record<Name, (...args: never[]) => unknown>, name: Name): () => number {
  let calls = 0;
  const original = prototype[name];
  prototype[name] = function (this: unknown, ...args: never[]): unknown {
    calls++;
    return original.apply(this, args);
  };
  return () => calls;
}
