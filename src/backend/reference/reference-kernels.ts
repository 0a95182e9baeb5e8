/**
 * Every kernel of the contract as a plain loop, on any memory that JavaScript can read. The loops are short and obvious. They are the
 * oracle that the tests compare faster backends with.
 *
 * Arithmetic is in float64 for every dtype, and a result is rounded once, when it is stored. So a float32 result is exact to about one unit
 * in the last place.
 */

import { composedNormSeparable, composedSeparable } from "../composed-separable.ts";
import { composedNormWindowStages, composedWindowStages } from "../composed-window-stages.ts";
import type { HostMemory } from "../host-storage.ts";
import type { Kernels } from "../kernels.ts";
import { batchNormKernels } from "./batch-norm.ts";
import { channelStageKernels } from "./channel-stages.ts";
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
import { sortingKernels } from "./sorting.ts";
import { transferKernels } from "./transfer.ts";

/** The kernels of a backend, without its name, its threads and the report of its memory. The owner of the memory adds those. */
export type HostKernels = Omit<Kernels, "name" | "threads" | "memory" | "resetPeak">;

/**
 * The kernels. They read operands through `viewOf` and allocate results in `memory`. No function uses `this`, so a backend may pick single
 * kernels.
 */
export function referenceKernels(memory: HostMemory): HostKernels {
  const convolutions = convolutionKernels(memory);
  const norms = batchNormKernels(memory);
  const stages = channelStageKernels(memory);
  const separable = composedSeparable({ ...convolutions, ...elementwiseKernels(memory) });
  const windowStages = composedWindowStages({ ...convolutions, ...stages });
  return {
    ...transferKernels(memory),
    ...elementwiseKernels(memory),
    ...reductionKernels(memory),
    ...indexingKernels(memory),
    ...sortingKernels(memory),
    ...cosineTransformKernels(memory),
    ...layoutKernels(memory),
    ...matmulKernels(memory),
    ...convolutions,
    ...separable,
    ...poolingKernels(memory),
    ...norms,
    ...composedNormSeparable(norms, separable),
    ...stages,
    ...windowStages,
    ...composedNormWindowStages({ ...norms, ...windowStages }),
    ...optimiserKernels(),
  };
}

/** The reference backend: these kernels on ordinary JavaScript memory. It runs everywhere, in float32 and float64, and it is slow. */
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
