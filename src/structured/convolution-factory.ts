/** What a network asks for where a convolution would stand. Networks take a factory; the factory decides what the convolution is made of. */

import type { Padding } from "../core/convolution-geometry.ts";
import type { Build } from "../nn/init.ts";
import type { Layer } from "../nn/module.ts";

/** The convolution to be replaced: k×k, with k = `kernel`. */
export interface ConvolutionSite {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernel: number;
  readonly stride?: number;
  /** ⌊kernel/2⌋ unless given, so that stride 1 keeps the size of the image. */
  readonly padding?: Padding;
  readonly dilation?: number;
  readonly groups?: number;
  readonly bias?: boolean;
}

export type ConvolutionFactory = (site: ConvolutionSite, build: Build) => Layer;
