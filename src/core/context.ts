/**
 * `Context`: what `forward` is given beside its input. State is an argument: there is no global training mode and no global random stream.
 */

import type { Random } from "./random.ts";

/** What a layer needs to know when it computes differently in training than in evaluation. */
export interface Context {
  /** In training, batch norms use the batch's statistics and update their running ones, and dropout drops elements. */
  readonly training: boolean;
  /** The random stream that dropout draws from. Only a network with dropout needs one, and only in training. Default: none. */
  readonly random?: Random;
  /** The probability of dropping a path, in a network with parallel paths (stochastic depth, arXiv 1603.09382). Default: 0. */
  readonly dropPath?: number;
}
