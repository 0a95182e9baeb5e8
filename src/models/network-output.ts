/** What a network gives to a loss that looks at more than its logits. */

import type { Tensor } from "../tensor/tensor.ts";

export interface NetworkOutput {
  /** [N,classes]. */
  readonly logits: Tensor;
  /** The attention map of each group of blocks, [N,H·W] each (paper, §4). */
  readonly attention: readonly Tensor[];
  /** Logits of a second classifier that stands for training only, [N,classes]. */
  readonly auxiliary?: Tensor | undefined;
}
