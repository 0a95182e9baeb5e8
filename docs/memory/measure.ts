/**
 * Measures what a training step of WRN-50-2 holds at 224×224 for each kind of convolution, and prints one JSON line for each:
 *
 *     npx tsx docs/memory/measure.ts > docs/memory/results.jsonl     # or with specs as arguments
 *     npm run docs:figures                                           # writes the table of docs/results.md
 *
 * The bytes are those of the storages that the backend has given out, so they do not depend on the machine. A step has `images` images, SGD
 * with momentum, and a backward pass that frees what it has used.
 */

import { disposeBackend, initBackend, kernels } from "../../src/backend/active.ts";
import { prepareTrainingStep } from "../../src/bench/workload.ts";
import { SeparableError } from "../../src/core/errors.ts";
import { Random } from "../../src/core/random.ts";
import { ResNet } from "../../src/models/res-net.ts";
import { parseConvolution } from "../../src/structured/convolution-text.ts";
import { convolutionFactory } from "../../src/structured/create-convolution.ts";
import type { Mode } from "../../src/structured/structured-linear.ts";
import { scope } from "../../src/tensor/scope.ts";
import { type MemoryResult, memorySpecs } from "./results.ts";

const images = 4;
const megabyte = 1e6;

/** @param convolution A spec, such as `ACDC_3`, and after a space how its maps compute (default: auto). */
async function measure(convolution: string): Promise<MemoryResult> {
  const [spec, mode = "auto"] = convolution.split(" ") as [string, Mode?];
  await initBackend(["wasm"]);
  try {
    // The initialisation decomposes no matrix, since the numbers in the factors do not change what a step holds.
    const factory = convolutionFactory(parseConvolution(spec), { init: "variance-preserving", mode });
    const network = new ResNet({ convolution: factory }, { random: new Random(0) });
    const workload = prepareTrainingStep(network, [images, 3, 224, 224], 1000);
    scope(() => void workload.run()); // makes the momentum
    kernels().resetPeak();
    scope(() => void workload.run());
    return { convolution, images, parameters: network.parameterCount(), peak: kernels().memory().peak / megabyte };
  } finally {
    disposeBackend();
  }
}

for (const convolution of process.argv.length > 2 ? process.argv.slice(2) : memorySpecs)
  try {
    process.stdout.write(`${JSON.stringify(await measure(convolution))}\n`);
  } catch (error) {
    if (!(error instanceof SeparableError)) throw error;
    process.stderr.write(`${convolution} is left out: ${error.message}\n`);
  }
