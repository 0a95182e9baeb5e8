/** Kernels on a machine: the compiled functions laid over the reference kernels, both on the machine's memory. */

import type { KernelName, Kernels } from "../kernels.ts";
import { overlay } from "../overlay.ts";
import { referenceKernels } from "../reference/reference-kernels.ts";
import { wasmAcceptances } from "./acceptances.ts";
import { batchNormKernels } from "./host/batch-norm.ts";
import { channelStageKernels } from "./host/channel-stages.ts";
import { convolutionKernels } from "./host/convolution.ts";
import { cosineTransformKernels } from "./host/cosine-transform.ts";
import { elementwiseKernels } from "./host/elementwise.ts";
import { indexingKernels } from "./host/indexing.ts";
import { layoutKernels } from "./host/layout.ts";
import type { Machine } from "./host/machine.ts";
import { matmulKernels } from "./host/matmul.ts";
import { optimiserKernels } from "./host/optimiser.ts";
import { poolingKernels } from "./host/pooling.ts";
import { reductionKernels } from "./host/reductions.ts";
import { separableKernels } from "./host/separable.ts";
import { windowStageKernels } from "./host/window-stages.ts";

export function assembleKernels(machine: Machine): Pick<Kernels, KernelName> {
  const products = matmulKernels(machine);
  const convolutions = convolutionKernels(machine);
  const stages = channelStageKernels(machine);
  const norms = batchNormKernels(machine);
  const fast = {
    ...layoutKernels(machine),
    ...elementwiseKernels(machine),
    ...reductionKernels(machine),
    ...indexingKernels(machine),
    ...cosineTransformKernels(machine, products),
    ...products,
    ...convolutions,
    ...separableKernels(machine),
    ...poolingKernels(machine),
    ...norms,
    ...stages,
    ...windowStageKernels(machine, { ...convolutions, ...stages, ...norms }),
    ...optimiserKernels(machine),
  };
  return overlay(referenceKernels(machine.memory), fast, wasmAcceptances);
}
