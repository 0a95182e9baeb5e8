/** What a network asks for where a convolution would stand. Networks take a factory; the factory decides what the convolution is made of. */

import type { Build } from "../nn/init.ts";
import type { Layer } from "../nn/module.ts";

/** The convolution to be replaced: k×k, with k = `kernel`. */
export interface ConvolutionSite {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernel: number;
  readonly stride?: number;
  /** ⌊kernel/2⌋ unless given, so that stride 1 keeps the size of the image. */
  readonly padding?: number;
  readonly dilation?: number;
  readonly groups?: number;
  readonly bias?: boolean;
  /**
   * How the weight of a dense convolution appears in the state. `conv.weight`: as in the paper's code. `weight`: as in torchvision. `linear`:
   * as the `weight`:[O,I] of a linear layer, for a 1×1 convolution. Structured convolutions do not use it. Default: `conv.weight`.
   */
  readonly denseState?: "conv.weight" | "weight" | "linear";
}

export type ConvolutionFactory = (site: ConvolutionSite, build: Build) => Layer;
