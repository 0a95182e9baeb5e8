/**
 * Trains a small network for thousands of steps and prints the memory that is in use on the way: `soak.ts <mode> <steps>`. It runs in a
 * process of its own, started with --expose-gc, so that it can collect garbage before it measures.
 */

import { memory, useBackend } from "../../../src/backend/active.ts";
import { createGpuBackend } from "../../../src/backend/gpu/gpu-backend.ts";
import type { GpuModeName } from "../../../src/backend/gpu/gpu-mode.ts";
import { provideWebGpu } from "../../../src/backend/gpu/node/provide-webgpu.ts";
import type { MemoryReport } from "../../../src/backend/kernels.ts";
import { Random } from "../../../src/core/random.ts";
import { gradients } from "../../../src/grad/gradients.ts";
import { BatchNorm2d } from "../../../src/nn/batch-norm2d.ts";
import { Sequential } from "../../../src/nn/combinators.ts";
import { Conv2d } from "../../../src/nn/conv2d.ts";
import { Flatten, MaxPool2d, ReLU } from "../../../src/nn/layers.ts";
import { Linear } from "../../../src/nn/linear.ts";
import { crossEntropy } from "../../../src/nn/losses.ts";
import { uniform } from "../../../src/ops/creation.ts";
import { scope } from "../../../src/tensor/scope.ts";
import { Sgd } from "../../../src/train/sgd.ts";

/** The memory in use after a step. */
export interface MemorySample {
  readonly step: number;
  readonly handles: number;
  readonly kernels: number;
  readonly memory: MemoryReport;
  /** Bytes of JavaScript objects and array buffers, after a garbage collection. */
  readonly heap: number;
  /** Bytes of the resident set of the process, at the same time. */
  readonly resident: number;
  readonly loss: number;
}

const [mode, steps] = [process.argv[2] as GpuModeName, Number(process.argv[3])];
if (mode === "webgpu") await provideWebGpu();
const backend = await createGpuBackend(mode);
useBackend(backend);

const random = new Random(1);
const build = { random };
const model = new Sequential(
  new Conv2d(3, 4, 3, build, { padding: 1 }),
  new BatchNorm2d(4, build),
  ReLU(),
  MaxPool2d({ kernel: 2 }),
  Flatten(),
  new Linear(64, 3, build),
);
const optimizer = new Sgd([{ parameters: model.parameters(), weightDecay: 1e-4 }], { momentum: 0.9 });

/** The labels differ from step to step, as in training, so that tables made from labels would accumulate. */
const step = (i: number) =>
  scope(() => {
    const x = uniform([2, 3, 8, 8], random);
    const loss = crossEntropy(model.forward(x, { training: true, random }), [i % 3, (i >> 2) % 3]);
    const values = optimizer.parameters.map(({ value }) => value);
    optimizer.step(gradients(loss, values), 1e-3);
    return loss;
  });

const collect = globalThis.gc!;
const samples: MemorySample[] = [];
for (let i = 1; i <= steps; i++) {
  const loss = step(i);
  // Reading the loss bounds the number of launches that are pending, as in training.
  const value = await loss.item();
  loss.dispose();
  if (i < 100 || i % 25 !== 0) continue;
  await backend.fence();
  // What a WeakRef names is held until the job ends, and promises alone do not end a job.
  await new Promise(setImmediate);
  collect();
  const { handles, kernels } = backend.counters();
  const { heapUsed, external, rss } = process.memoryUsage();
  samples.push({ step: i, handles, kernels, memory: memory(), heap: heapUsed + external, resident: rss, loss: value });
}
console.log(JSON.stringify(samples));
process.exit(0); // Dawn keeps the process alive while it has a device.
