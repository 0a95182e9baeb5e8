/**
 * 19. A training step on a GPU.
 *
 * The program runs the same training step twice: through gpu.js, and on our own CPU kernels. The step is written once, because ops do not
 * depend on the backend. Ops return before the device has computed them. Reading the loss is the first thing that waits.
 *
 * gpu.js's plain JavaScript takes the place of a GPU, so the program runs everywhere. If you have a graphics card, run
 * `npm install webgpu`, call `await provideWebGpu()` from separable/node, and replace `cpu()` by `webgpu()`.
 *
 * Run: npx tsx examples/19-on-a-gpu.ts
 */

import * as s from "separable";
import { cpu, type GpuBackend } from "separable/gpu";

/** Trains a small separable network for one step. Returns the loss, and the largest weight of the classifier after the step. */
async function step(): Promise<{ loss: number; weight: number }> {
  const build: s.Build = { random: new s.Random(7) };
  const network = new s.WideResNet({ depth: 10, width: 1, convolution: s.Sep }, build);
  const optimizer = new s.Sgd([{ parameters: network.parameters(), weightDecay: 5e-4 }], { momentum: 0.9 });
  const loss = s.scope(() => {
    const images = s.normal([2, 3, 16, 16], new s.Random(1));
    const loss = s.crossEntropy(network.forward(images, { training: true }), [3, 7]);
    optimizer.step(s.gradients(loss, optimizer.values), 0.1);
    return loss;
  });
  const result = { loss: await loss.item(), weight: Math.max(...(await network.fc.weight.value.data())) };
  loss.dispose();
  network.dispose();
  return result;
}

// Backends in order of preference. One that does not run here is skipped, and `choice.passedOver` says why.
const choice = await s.initBackend([cpu(), "wasm"]);
console.log(`computing on ${choice.name}`);
const device = s.kernels() as GpuBackend;
const before = device.counters();
const there = await step();
const { launches, uploads, readbacks } = device.counters();
console.log(`${launches - before.launches} launches, ${uploads - before.uploads} uploads, ${readbacks - before.readbacks} readbacks`);
device.dispose();

await s.initBackend(["wasm", "reference"]);
const here = await step();
const apart = Math.max(Math.abs(there.loss / here.loss - 1), Math.abs(there.weight / here.weight - 1));
console.log(
  `loss ${there.loss.toFixed(4)} there, ${here.loss.toFixed(4)} here; ${apart < 1e-4 ? "the same but for rounding" : "not the same"}`,
);
