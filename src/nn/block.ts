/** A layer that is written as a composition of its fields. */

import type { Context } from "../core/context.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Layer } from "./module.ts";

/**
 * A layer whose computation is the body that it composes of its fields. The fields give the state its names; the body says in which order they are
 * computed, so forward passes, attention maps and folded networks all follow from one description.
 */
export abstract class Block extends Layer {
  /** The fields composed, with `Sequential` and `Residual` for instance. The body owns no state, so it can be composed anew at each call. */
  abstract body(): Layer;

  forward(x: Tensor, context: Context): Tensor {
    return this.body().forward(x, context);
  }
}
