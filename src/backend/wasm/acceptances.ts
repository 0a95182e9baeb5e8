/**
 * Which calls the vector kernels of the wasm backend accept: one table of all kernel families.
 * Every kernel outside the table is plain TypeScript.
 */

import { batchNormAcceptances } from "./host/batch-norm.ts";
import { channelStageAcceptances } from "./host/channel-stages.ts";
import { convolutionAcceptances } from "./host/convolution.ts";
import { cosineTransformAcceptances } from "./host/cosine-transform.ts";
import { elementwiseAcceptances } from "./host/elementwise.ts";
import { indexingAcceptances } from "./host/indexing.ts";
import { layoutAcceptances } from "./host/layout.ts";
import { matmulAcceptances } from "./host/matmul.ts";
import { optimiserAcceptances } from "./host/optimiser.ts";
import { poolingAcceptances } from "./host/pooling.ts";
import { reductionAcceptances } from "./host/reductions.ts";
import { separableAcceptances } from "./host/separable.ts";
import { windowStageAcceptances } from "./host/window-stages.ts";

export const wasmAcceptances = {
  ...layoutAcceptances,
  ...elementwiseAcceptances,
  ...reductionAcceptances,
  ...indexingAcceptances,
  ...cosineTransformAcceptances,
  ...matmulAcceptances,
  ...convolutionAcceptances,
  ...separableAcceptances,
  ...poolingAcceptances,
  ...batchNormAcceptances,
  ...channelStageAcceptances,
  ...windowStageAcceptances,
  ...optimiserAcceptances,
};
