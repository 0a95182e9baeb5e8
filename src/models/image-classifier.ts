/**
 * What the networks have in common: a backbone computes feature maps in stages, and a head computes logits from the last feature map.
 */

import type { Context } from "../core/context.ts";
import { Block } from "../nn/block.ts";
import { Sequential, type Staged } from "../nn/combinators.ts";
import type { Layer } from "../nn/module.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { attentionMap } from "./attention.ts";
import type { NetworkOutput } from "./network-output.ts";

/** head(backbone(x)).   x:[N,3,H,W] → logits:[N,classes]. */
export abstract class ImageClassifier extends Block {
  /** The layers from images to feature maps, in stages. */
  protected abstract backbone(): Staged;
  /** The layers from the last feature map to logits. */
  protected abstract head(): Layer;
  /** Those outputs of the backbone that attention maps are computed from. `outputs` has one entry for each stage. */
  protected abstract attended(outputs: readonly Tensor[]): readonly Tensor[];

  /** The logits of a second classifier that is used in training only. A network without such a classifier returns undefined. */
  protected auxiliary(_outputs: readonly Tensor[], _context: Context): Tensor | undefined {
    return undefined;
  }

  body(): Sequential {
    return new Sequential(this.backbone(), this.head());
  }

  /** The logits, and the attention maps that attention transfer compares. */
  forwardWithAttention(x: Tensor, context: Context): NetworkOutput {
    const outputs = this.backbone().outputs(x, context);
    return {
      logits: this.head().forward(outputs.at(-1)!, context),
      attention: this.attended(outputs).map(attentionMap),
      auxiliary: this.auxiliary(outputs, context),
    };
  }
}
