/**
 * A process of its own that trains a small network for thousands of steps and prints what it holds on the way: `soak.ts <mode> <steps>`.
 * It stands apart from the test because only a process started with --expose-gc can be asked to tidy up before it is weighed.
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

export interface Holdings {
  readonly step: number;
  readonly handles: number;
  readonly kernels: number;
  readonly memory: MemoryReport;
  /** Bytes of JavaScript's objects and buffers, after a collection. */
  readonly heap: number;
  /** Bytes the system has given the process, then. */
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

/** Other labels at every step, as in training: what is made of them must not stay either. */
const step = (i: number) =>
  scope(() => {
    const x = uniform([2, 3, 8, 8], random);
    const loss = crossEntropy(model.forward(x, { training: true, random }), [i % 3, (i >> 2) % 3]);
    const values = optimizer.parameters.map(({ value }) => value);
    optimizer.step(gradients(loss, values), 1e-3);
    return loss;
  });

const collect = (globalThis as unknown as { gc: () => void }).gc;
const held: Holdings[] = [];
for (let i = 1; i <= steps; i++) {
  const loss = step(i);
  // One wait a step bounds what is under way, as reading the loss does.
  const value = await loss.item();
  loss.dispose();
  if (i < 100 || i % 50 !== 0) continue;
  await backend.fence();
  collect();
  const { handles, kernels } = backend.counters();
  const { heapUsed, external, rss } = process.memoryUsage();
  held.push({ step: i, handles, kernels, memory: memory(), heap: heapUsed + external, resident: rss, loss: value });
}
console.log(JSON.stringify(held));
process.exit(0); // Dawn keeps a process alive for as long as it has a device
