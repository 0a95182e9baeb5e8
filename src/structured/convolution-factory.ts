/** A factory makes the convolutions of a network. It decides what each convolution is made of. */

import type { Padding } from "../core/convolution-geometry.ts";
import type { Build, Initialiser } from "../nn/init.ts";
import type { Layer } from "../nn/module.ts";

/** The k×k convolution that a network needs at one place, with k = `kernel`. */
export interface ConvolutionSite {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernel: number;
  readonly stride?: number;
  /** Default: ⌊kernel/2⌋, so that stride 1 keeps the size of an image. */
  readonly padding?: Padding;
  readonly dilation?: number;
  readonly groups?: number;
  readonly bias?: boolean;
  /**
   * How the weight of a dense convolution appears in the state. `conv.weight`: as in the paper's code. `weight`: as in torchvision.
   * `linear`: as the `weight`:[O,I] of a linear layer, for a 1×1 convolution. Structured convolutions do not use it. Default:
   * `conv.weight`.
   */
  readonly denseState?: "conv.weight" | "weight" | "linear";
  /** How the weight of a dense convolution is initialised. Structured convolutions do not use it. Default: `normalFanOut`. */
  readonly denseInit?: Initialiser;
}

export type ConvolutionFactory = (site: ConvolutionSite, build: Build) => Layer;
