/** What a network computes for a loss that needs more than its logits. */

import type { Tensor } from "../tensor/tensor.ts";

export interface NetworkOutput {
  /** [N,classes]. */
  readonly logits: Tensor;
  /** The attention map of each group of blocks, [N,H·W] each (paper, §4). */
  readonly attention: readonly Tensor[];
  /** The logits of a second classifier that is used in training only, [N,classes]. */
  readonly auxiliary?: Tensor | undefined;
}
