/** A factory makes the convolutions of a network. It decides what each convolution is made of. */

import type { Padding } from "../core/convolution-geometry.ts";
import type { Build } from "../nn/init.ts";
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
}

export type ConvolutionFactory = (site: ConvolutionSite, build: Build) => Layer;
