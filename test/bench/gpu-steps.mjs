/**
 * The time of a training step of WRN-10-1 on WebGPU, in a build of this project:
 *
 *     node test/bench/gpu-steps.mjs /path/to/dist Conv 2 5
 *
 * The arguments are the folder of the build, the convolution, the images of a step, and the number of steps. Two builds are compared by
 * turns, one process for each. The first two steps compile the kernels and bring the parameters together, so they are not timed.
 */

import { pathToFileURL } from "node:url";

const [dist, convolution, images, steps] = process.argv.slice(2);
const from = (file) => import(new URL(file, pathToFileURL(`${dist}/`)).href);
const [{ initBackend, scope }, { provideWebGpu }, { webgpu }, { prepareWorkload }, { trainingStep }] = await Promise.all(
  ["index.js", "node.js", "gpu.js", "bench/workload.js", "bench/benchmarks.js"].map(from),
);
await provideWebGpu();
await initBackend([webgpu()]);
const workload = prepareWorkload(trainingStep(10, 1, Number(images), convolution).problem);
const times = [];
for (let step = 0; step <= Number(steps); step++) {
  const start = performance.now();
  const loss = scope(() => workload.run()[0]);
  await loss.item();
  loss.dispose();
  if (step > 1) times.push(performance.now() - start);
}
times.sort((a, b) => a - b);
process.stdout.write(`${JSON.stringify({ convolution, images: Number(images), milliseconds: times[times.length >> 1] })}\n`);
process.exit(0);
