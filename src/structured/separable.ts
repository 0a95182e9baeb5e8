/** `Sep`: depthwise, then pointwise. The k×k window acts within channels, a 1×1 map between them; every structured layer replaces the latter. */

import { Conv2d } from "../nn/conv2d.ts";
import { type Build, normalFanOut } from "../nn/init.ts";
import { Layer } from "../nn/module.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { ConvolutionFactory, ConvolutionSite } from "./convolution-factory.ts";

/**
 * y = P·(w ∗ x): a depthwise k×k convolution w:[I,1,k,k] that takes stride, padding and dilation, then a 1×1 map P:[O,I] (paper, eq. 1).
 * I·k² + O·I parameters against O·I·k². A 1×1 site has no window to split off: then P alone takes the stride.
 */
export class SeparableConvolution extends Layer {
  readonly grouped: Conv2d | undefined;
  readonly pointwise: Conv2d;

  constructor({ inChannels, outChannels, kernel, bias = false, ...site }: ConvolutionSite, build: Build) {
    super();
    const window = { ...site, padding: site.padding ?? Math.floor(kernel / 2) };
    const separate = kernel > 1;
    this.grouped = separate
      ? new Conv2d(inChannels, inChannels, kernel, build, { ...window, groups: inChannels, init: normalFanOut })
      : undefined;
    this.pointwise = new Conv2d(inChannels, outChannels, 1, build, { ...(separate ? {} : window), bias, init: normalFanOut });
  }

  forward(x: Tensor): Tensor {
    return this.pointwise.forward(this.grouped === undefined ? x : this.grouped.forward(x));
  }
}

export const Sep: ConvolutionFactory = (site, build) => new SeparableConvolution(site, build);
