/** `Conv`: the ordinary convolution, with which every structured layer is compared. */

import type { Context } from "../core/context.ts";
import type { Shape } from "../core/shape.ts";
import type { TensorArray } from "../linalg/tensor-array.ts";
import type { ChannelAffine } from "../nn/channel-affine.ts";
import { Conv2d } from "../nn/conv2d.ts";
import type { Description } from "../nn/describe.ts";
import { type EpilogueLayer, forwardThen } from "../nn/epilogue.ts";
import type { FoldableLayer } from "../nn/foldable-layer.ts";
import { type Build, normalFanOut } from "../nn/init.ts";
import type { Parameter } from "../nn/state.ts";
import type { Epilogue } from "../ops/epilogue.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { ConvolutionFactory, ConvolutionSite } from "./convolution-factory.ts";
import { DenseLinear } from "./dense-linear.ts";
import { defineFamily } from "./family.ts";
import { factoryOf } from "./origin.ts";
import { type ApproximationError, pixelsOf, StructuredConvolution } from "./structured-convolution.ts";

/** A k×k convolution from all channels to all channels.   O·I·k² parameters, and as many multiply-adds per output pixel. */
export class DenseConvolution extends StructuredConvolution implements FoldableLayer, EpilogueLayer {
  readonly name = "DenseConvolution";
  readonly conv: Conv2d;
  readonly #hasPrefix: boolean;

  constructor(
    { inChannels, outChannels, kernel, bias = false, denseState = "conv.weight", denseInit = normalFanOut, ...site }: ConvolutionSite,
    build: Build,
  ) {
    super();
    const padding = site.padding ?? Math.floor(kernel / 2);
    const options = { ...site, padding, bias, init: denseInit, linearWeight: denseState === "linear" };
    this.conv = new Conv2d(inChannels, outChannels, kernel, build, options);
    this.#hasPrefix = denseState === "conv.weight";
  }

  protected override parts(): Iterable<[string, unknown]> {
    return Object.entries(this.#hasPrefix ? this : this.conv);
  }

  override describe(): Description {
    return this.conv.describe();
  }

  get bias(): Parameter | undefined {
    return this.conv.bias;
  }

  forward(x: Tensor): Tensor {
    return this.conv.forward(x);
  }

  forwardThen(x: Tensor, context: Context, then: Epilogue): Tensor {
    return forwardThen(this.conv, x, context, then);
  }

  toDenseKernel(): Tensor {
    return this.conv.kernel();
  }

  paperMultiplyAdds(_: Shape, output: Shape): number {
    return this.conv.weight.value.size * pixelsOf(output);
  }

  approximationRefusal(): undefined {
    return undefined;
  }

  approximateKernel({ data }: TensorArray): Promise<ApproximationError> {
    this.conv.weight.write(data);
    return Promise.resolve({ relative: 0, separable: 0, structured: 0 });
  }

  decayedWeight(): undefined {
    return undefined;
  }

  fold(affine?: ChannelAffine): Conv2d {
    return this.conv.fold(affine);
  }
}

export const Conv: ConvolutionFactory = factoryOf(
  { spec: { kind: "Conv" }, options: {} },
  (site, build) => new DenseConvolution(site, build),
);

export const convFamily = defineFamily({
  kind: "Conv",
  title: "Dense",
  alias: "dense",
  parameters: [],
  examples: { inspect: { kind: "Conv" } },
  linear: (_, inFeatures, outFeatures, build, options) => new DenseLinear(inFeatures, outFeatures, build, options),
  convolution: (_, site, build, { bias = false }) => new DenseConvolution({ ...site, bias }, build),
});
