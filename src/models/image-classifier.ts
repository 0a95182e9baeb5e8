/** What the four networks have in common: a backbone whose feature maps attention is read from, and a head that makes logits of the last of them. */

import type { Context } from "../core/context.ts";
import { Block } from "../nn/block.ts";
import { Sequential, type Staged } from "../nn/combinators.ts";
import type { Layer } from "../nn/module.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { attentionMap } from "./attention.ts";
import type { NetworkOutput } from "./network-output.ts";

/** head(backbone(x)).   x:[N,3,H,W] → logits:[N,classes]. */
export abstract class ImageClassifier extends Block {
  /** From images to feature maps, stage by stage. */
  protected abstract backbone(): Staged;
  /** From the last feature map to logits. */
  protected abstract head(): Layer;
  /** Those outputs of the backbone's stages that attention maps are made of. */
  protected abstract attended(outputs: readonly Tensor[]): readonly Tensor[];

  /** The logits of a second classifier that is there in training only. Without one, undefined. */
  protected auxiliary(_outputs: readonly Tensor[], _context: Context): Tensor | undefined {
    return undefined;
  }

  body(): Sequential {
    return new Sequential(this.backbone(), this.head());
  }

  /** The logits with the attention maps that attention transfer compares. */
  forwardWithAttention(x: Tensor, context: Context): NetworkOutput {
    const outputs = this.backbone().outputs(x, context);
    return {
      logits: this.head().forward(outputs.at(-1)!, context),
      attention: this.attended(outputs).map(attentionMap),
      auxiliary: this.auxiliary(outputs, context),
    };
  }
}
