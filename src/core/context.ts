/** `Context`: what `forward` is given beside its input. State is an argument here; there is no global training mode and no global random stream. */

import type { Random } from "./random.ts";

/** What a layer that computes differently in training needs to know. */
export interface Context {
  /** Batch norms use the statistics of the batch and move their running ones; dropout drops. */
  readonly training: boolean;
  /** The stream that dropout draws from. Only networks that drop need it, and only in training. */
  readonly random?: Random;
  /** The rate at which a network with parallel paths drops a path (stochastic depth, arXiv 1603.09382). Default 0. */
  readonly dropPath?: number;
}
