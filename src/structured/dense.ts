/** `Conv`: the ordinary convolution, the one every structured layer is compared with. */

import type { ChannelAffine } from "../nn/channel-affine.ts";
import { Conv2d } from "../nn/conv2d.ts";
import type { FoldableLayer } from "../nn/foldable-layer.ts";
import { type Build, normalFanOut } from "../nn/init.ts";
import { Layer } from "../nn/module.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { ConvolutionFactory, ConvolutionSite } from "./convolution-factory.ts";

/** A k×k convolution, all channels to all channels: O·I·k² parameters, as many multiply-adds per output pixel. */
export class DenseConvolution extends Layer implements FoldableLayer {
  readonly conv: Conv2d;

  constructor({ inChannels, outChannels, kernel, bias = false, ...site }: ConvolutionSite, build: Build) {
    super();
    const padding = site.padding ?? Math.floor(kernel / 2);
    this.conv = new Conv2d(inChannels, outChannels, kernel, build, { ...site, padding, bias, init: normalFanOut });
  }

  forward(x: Tensor): Tensor {
    return this.conv.forward(x);
  }

  fold(affine?: ChannelAffine): Conv2d {
    return this.conv.fold(affine);
  }
}

export const Conv: ConvolutionFactory = (site, build) => new DenseConvolution(site, build);
