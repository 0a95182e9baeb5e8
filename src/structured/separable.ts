/** Depthwise, then pointwise: the one wrapper through which every structured map becomes a convolution (paper, eq. 1). */

import { ConfigError } from "../core/errors.ts";
import { AffineLayer, afterBias, type ChannelAffine } from "../nn/channel-affine.ts";
import { Sequential } from "../nn/combinators.ts";
import { Conv2d, foldedConvolution } from "../nn/conv2d.ts";
import { folded } from "../nn/fold-batch-norm.ts";
import type { FoldableLayer } from "../nn/foldable-layer.ts";
import { type Build, normalFanOut } from "../nn/init.ts";
import { Lambda } from "../nn/layers.ts";
import { Layer } from "../nn/module.ts";
import { add, multiply } from "../ops/elementwise.ts";
import { pad, slice } from "../ops/layout.ts";
import { reshape } from "../ops/reshape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { ConvolutionSite } from "./convolution-factory.ts";
import type { StructuredLinear } from "./structured-linear.ts";

/** A depthwise k×k convolution that can say what its weight is: [C,1,k,k]. */
export interface DepthwiseWindow extends Layer {
  kernel(): Tensor;
}

/** w:[C,1,k,k], no bias, and the full weight decay: it is no part of the structured map. */
class DepthwiseConv2d extends Conv2d implements DepthwiseWindow {
  kernel(): Tensor {
    return this.weight.value;
  }
}

export interface SeparableOptions {
  /** What stands for the window; a plain depthwise convolution unless given. Not asked for where the site is 1×1. */
  readonly window?: (site: ConvolutionSite, build: Build) => DepthwiseWindow;
  /** A 1×1 site's padding is left out, as the paper's code does for low rank. */
  readonly dropsPadding?: boolean;
}

/** A map of columns applied to every pixel.   x:[N,C,H,W] → y:[N,O,H,W]. */
function onPixels(x: Tensor, map: (columns: Tensor) => Tensor): Tensor {
  const [batch, channels, height, width] = x.shape as [number, number, number, number];
  const y = map(reshape(x, [batch, channels, height * width]));
  return reshape(y, [batch, y.shape[1]!, height, width]);
}

/** A structured map at every pixel, factor by factor, without its bias.   x:[N,I,H,W] → y:[N,O,H,W]. */
class MapLayer extends Layer {
  readonly map: StructuredLinear;

  constructor(map: StructuredLinear) {
    super();
    this.map = map;
  }

  forward(x: Tensor): Tensor {
    return onPixels(x, (columns) => this.map.contract(columns));
  }
}

/**
 * y = W·(w ∗ x) + b: a depthwise window w:[I,1,k,k] that takes stride, padding and dilation, then W:[O,I] at every pixel.
 * I·k² parameters and the map's own, against O·I·k² of the convolution.   x:[N,I,H,W] → y:[N,O,H′,W′].
 * A 1×1 site has no window to split off: then the input itself is padded and every stride-th pixel taken.
 */
export class SeparableConvolution extends Layer implements FoldableLayer {
  readonly grouped: DepthwiseWindow | undefined;
  readonly map: StructuredLinear;
  readonly #stride: number;
  readonly #padding: number;

  /** @throws ConfigError for a site with groups, which the wrapper would ignore. */
  constructor(
    site: ConvolutionSite,
    build: Build,
    createMap: () => StructuredLinear,
    { window, dropsPadding = false }: SeparableOptions = {},
  ) {
    super();
    const { inChannels, kernel, stride = 1, padding = Math.floor(kernel / 2), dilation = 1, groups = 1 } = site;
    if (groups !== 1) throw new ConfigError(`SeparableConvolution: a site's groups must be 1, got ${groups}; use Conv there`);
    this.#stride = stride;
    this.#padding = dropsPadding ? 0 : padding;
    const depthwise = (): DepthwiseWindow =>
      window === undefined
        ? new DepthwiseConv2d(inChannels, inChannels, kernel, build, { stride, padding, dilation, groups: inChannels, init: normalFanOut })
        : window({ ...site, padding }, build);
    this.grouped = kernel > 1 ? depthwise() : undefined;
    this.map = createMap();
  }

  /** The map's parts stand beside the window's, under their own names, as in the paper's code. */
  protected override parts(): Iterable<[string, unknown]> {
    return [["grouped", this.grouped], ...Object.entries(this.map)];
  }

  forward(x: Tensor): Tensor {
    const z = this.grouped === undefined ? this.#sampled(x) : this.grouped.forward(x, { training: false });
    const y = onPixels(z, (columns) => this.map.applyToColumns(columns));
    const bias = this.map.offset();
    return bias === undefined ? y : add(y, reshape(bias.value, [1, this.map.outFeatures, 1, 1]));
  }

  /**
   * Where multiplying by W is cheaper than the contraction, W is built once and is a 1×1 convolution, which takes in s and t. Otherwise the contraction
   * stays, and s and t follow it in the place of the bias.
   */
  fold(affine?: ChannelAffine): Layer {
    const { map, grouped } = this;
    const bias = map.offset()?.value;
    if (map.choose(Number.MAX_SAFE_INTEGER).path === "dense") {
      const weight = reshape(map.toDense(), [map.outFeatures, map.inFeatures, 1, 1]);
      // Without a window the 1×1 convolution takes the stride and the padding.
      if (grouped === undefined) return foldedConvolution({ weight, bias }, affine, { stride: this.#stride, padding: this.#padding });
      return new Sequential(folded(grouped), foldedConvolution({ weight, bias }, affine));
    }
    const window = grouped === undefined ? new Lambda((x) => this.#sampled(x)) : folded(grouped);
    const contraction = new MapLayer(map);
    if (affine !== undefined) return new Sequential(window, contraction, new AffineLayer(afterBias(affine, bias)));
    return bias === undefined ? new Sequential(window, contraction) : this;
  }

  /** What a 1×1 convolution reads of x. */
  #sampled(x: Tensor): Tensor {
    const edge = [this.#padding, this.#padding] as const;
    const padded = this.#padding === 0 ? x : pad(x, [[0, 0], [0, 0], edge, edge]);
    if (this.#stride === 1) return padded;
    return slice(padded, [undefined, undefined, [0, padded.shape[2]!, this.#stride], [0, padded.shape[3]!, this.#stride]]);
  }

  /** The weight of the convolution this stands for: K[o,i,u,v] = W[o,i]·w[i,u,v].   → [O,I,k,k]. */
  toDenseKernel(): Tensor {
    const { inFeatures, outFeatures } = this.map;
    const pointwise = reshape(this.map.toDense(), [outFeatures, inFeatures, 1, 1]);
    if (this.grouped === undefined) return pointwise;
    const window = this.grouped.kernel();
    return multiply(pointwise, reshape(window, [1, inFeatures, window.shape[2]!, window.shape[3]!]));
  }
}
