/** Kernels on a machine: the compiled functions laid over the reference kernels, both on the machine's memory. */

import type { KernelName, Kernels } from "../../kernels.ts";
import { overlay } from "../../overlay.ts";
import { referenceKernels } from "../../reference/reference-kernels.ts";
import { wasmAcceptances } from "../acceptances.ts";
import { batchNormKernels } from "./batch-norm.ts";
import { convolutionKernels } from "./convolution.ts";
import { cosineTransformKernels } from "./cosine-transform.ts";
import { elementwiseKernels } from "./elementwise.ts";
import { indexingKernels } from "./indexing.ts";
import { layoutKernels } from "./layout.ts";
import type { Machine } from "./machine.ts";
import { matmulKernels } from "./matmul.ts";
import { optimiserKernels } from "./optimiser.ts";
import { poolingKernels } from "./pooling.ts";
import { reductionKernels } from "./reductions.ts";

export function assembleKernels(machine: Machine): Pick<Kernels, KernelName> {
  const products = matmulKernels(machine);
  const fast = {
    ...layoutKernels(machine),
    ...elementwiseKernels(machine),
    ...reductionKernels(machine),
    ...indexingKernels(machine),
    ...cosineTransformKernels(machine, products),
    ...products,
    ...convolutionKernels(machine),
    ...poolingKernels(machine),
    ...batchNormKernels(machine),
    ...optimiserKernels(machine),
  };
  return overlay(referenceKernels(machine.memory), fast, wasmAcceptances);
}
