/**
 * Prints what gpu.js makes of the programs of the roofline: `npx tsx test/bench/roofline/generated-wgsl.ts [name]`, with the beginning of a
 * program's name. gpu.js translates before it asks for an adapter, so none is needed.
 */

import { type Gpu, openGpu } from "../../../src/backend/gpu/gpu-js.ts";
import { gpuModes } from "../../../src/backend/gpu/gpu-mode.ts";
import { kernelSettings } from "../../../src/backend/gpu/kernel-cache.ts";
import { helpers, type Program, sourceOf } from "../../../src/backend/gpu/program.ts";
import { launchesOf, problems } from "./problems.ts";

const typed = (names: readonly string[], type: string) => Object.fromEntries(names.map((name) => [name, type]));

/** The WGSL of a program. */
function generate(gpu: Gpu, program: Program): string {
  const { tensors, integers, floats } = program;
  const argumentTypes = { ...typed(tensors, "WebGPUBuffer"), ...typed(integers, "Integer"), ...typed(floats, "Float") };
  const kernel = gpu.createKernel(sourceOf(program), { argumentTypes, output: [64], ...kernelSettings });
  const launch = kernel(...tensors.map(() => ({ output: [1] })), ...[...integers, ...floats].map(() => 1));
  // The launch itself fails, because no adapter answers.
  if (launch instanceof Promise) launch.catch(() => {});
  return (kernel.kernel as { readonly compiledSource?: string }).compiledSource ?? "not translated";
}

async function main(wanted = ""): Promise<void> {
  Object.defineProperty(globalThis, "navigator", { value: { gpu: { requestAdapter: () => Promise.resolve(null) } } });
  const { gpu } = await openGpu(gpuModes.webgpu);
  for (const { source, names } of helpers)
    gpu.addFunction(source, {
      returnType: "Integer",
      argumentTypes: Object.fromEntries(names.map((name) => [name, "Integer" as const])),
    });
  const programs = new Set(problems.flatMap((problem) => launchesOf(problem).map(({ program }) => program)));
  for (const program of programs)
    if (program.name.startsWith(wanted)) process.stdout.write(`// ${program.name}\n${generate(gpu, program)}\n\n`);
}

await main(process.argv[2]);
