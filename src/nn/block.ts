/** A layer that computes a composition of its fields. */

import type { Context } from "../core/context.ts";
import type { Epilogue } from "../ops/epilogue.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type EpilogueLayer, forwardThen } from "./epilogue.ts";
import { Layer } from "./module.ts";

/**
 * A layer whose fields are layers and whose body says how the layers are composed. The fields give the state its names. The forward pass,
 * the attention maps and the folded network all follow from the body, so the computation is written once.
 */
export abstract class Block extends Layer implements EpilogueLayer {
  /** The composition, for instance of `Sequential` and `Residual`. It has no state beyond the fields, so each call may compose it anew. */
  abstract body(): Layer;

  forward(x: Tensor, context: Context): Tensor {
    return this.body().forward(x, context);
  }

  forwardThen(x: Tensor, context: Context, then: Epilogue): Tensor {
    return forwardThen(this.body(), x, context, then);
  }
}
