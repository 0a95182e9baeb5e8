/** What `foldBatchNorm` asks of a layer with weights. */

import type { ChannelAffine } from "./channel-affine.ts";
import type { Layer } from "./module.ts";

/** A layer f whose weights can take in a scale s and a shift t of each of its output channels. */
export interface FoldableLayer extends Layer {
  /**
   * The layer x ↦ s·f(x) + t in evaluation, with everything computed that depends on weights alone. Without `affine` it is x ↦ f(x).
   * It is called without recording and in a scope, so a new layer must hold its tensors as parameters. It may share tensors with f.
   */
  fold(affine?: ChannelAffine): Layer;
}

export const isFoldable = (layer: Layer): layer is FoldableLayer => "fold" in layer && typeof layer.fold === "function";
