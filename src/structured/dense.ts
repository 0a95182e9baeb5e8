/** `Conv`: the ordinary convolution, the one every structured layer is compared with. */

import { Block } from "../nn/block.ts";
import { Conv2d } from "../nn/conv2d.ts";
import { type Build, normalFanOut } from "../nn/init.ts";
import type { ConvolutionFactory, ConvolutionSite } from "./convolution-factory.ts";

/** A k×k convolution, all channels to all channels: O·I·k² parameters, as many multiply-adds per output pixel. */
export class DenseConvolution extends Block {
  readonly conv: Conv2d;

  constructor({ inChannels, outChannels, kernel, bias = false, ...site }: ConvolutionSite, build: Build) {
    super();
    const padding = site.padding ?? Math.floor(kernel / 2);
    this.conv = new Conv2d(inChannels, outChannels, kernel, build, { ...site, padding, bias, init: normalFanOut });
  }

  body(): Conv2d {
    return this.conv;
  }
}

export const Conv: ConvolutionFactory = (site, build) => new DenseConvolution(site, build);
