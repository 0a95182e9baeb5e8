/**
 * Every kernel of the contract as a plain loop, on any memory that JavaScript can read: short, obvious, and the oracle that faster
 * backends are held against. A faster backend is this record with some kernels replaced, so what it does not replace is in plain sight.
 *
 * Arithmetic is in float64 whatever the dtype, rounded once when stored: a float32 result is the true one to within an ulp or so.
 */

import type { HostMemory } from "../host-storage.ts";
import type { Kernels } from "../kernels.ts";
import { batchNormKernels } from "./batch-norm.ts";
import { convolutionKernels } from "./convolution.ts";
import { cosineTransformKernels } from "./cosine-transform.ts";
import { elementwiseKernels } from "./elementwise.ts";
import { HeapMemory } from "./heap-memory.ts";
import { indexingKernels } from "./indexing.ts";
import { layoutKernels } from "./layout.ts";
import { matmulKernels } from "./matmul.ts";
import { optimiserKernels } from "./optimiser.ts";
import { poolingKernels } from "./pooling.ts";
import { reductionKernels } from "./reductions.ts";
import { transferKernels } from "./transfer.ts";

/** All of a backend but who it is and what its memory reports: that is for the owner of the memory to say. */
export type HostKernels = Omit<Kernels, "name" | "threads" | "memory" | "resetPeak">;

/** The kernels, reading operands through `viewOf` and putting results into `memory`. No function depends on `this`. */
export const referenceKernels = (memory: HostMemory): HostKernels => ({
  ...transferKernels(memory),
  ...elementwiseKernels(memory),
  ...reductionKernels(memory),
  ...indexingKernels(memory),
  ...cosineTransformKernels(memory),
  ...layoutKernels(memory),
  ...matmulKernels(memory),
  ...convolutionKernels(memory),
  ...poolingKernels(memory),
  ...batchNormKernels(memory),
  ...optimiserKernels(),
});

/** The reference backend: these kernels on ordinary JavaScript memory. Runs everywhere, in float32 and float64, slowly. */
export const createReferenceBackend = (): Kernels => {
  const memory = new HeapMemory("reference");
  return {
    ...referenceKernels(memory),
    name: "reference",
    threads: 1,
    memory: () => memory.report(),
    resetPeak: () => memory.resetPeak(),
  };
};
