/** `Hashed_x`: a k×k convolution whose weights all come from one list of shared values. It has no depthwise window. */

import type { Context } from "../core/context.ts";
import type { ConvolutionOptions } from "../core/convolution-geometry.ts";
import { checkOptions } from "../core/options.ts";
import type { Shape } from "../core/shape.ts";
import type { TensorArray } from "../linalg/tensor-array.ts";
import type { ChannelAffine } from "../nn/channel-affine.ts";
import { type Conv2d, foldedConvolution } from "../nn/conv2d.ts";
import { type Description, describedPadding } from "../nn/describe.ts";
import type { EpilogueLayer } from "../nn/epilogue.ts";
import type { FoldableLayer } from "../nn/foldable-layer.ts";
import type { Build } from "../nn/init.ts";
import type { Parameter } from "../nn/state.ts";
import { addInPlace } from "../ops/add-in-place.ts";
import { conv2d } from "../ops/convolution.ts";
import { applyInPlace, type Epilogue } from "../ops/epilogue.ts";
import { reshape } from "../ops/reshape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { ConvolutionSite } from "./convolution-factory.ts";
import { type HashedOptions, HashedWeight, hashedOptions } from "./hashed.ts";
import type { DepthwiseWindow } from "./separable.ts";
import { type ApproximationError, pixelsOf, StructuredConvolution, wholeKernelError } from "./structured-convolution.ts";

/**
 * y = conv2d(x, w[h]) + b.   `budget` parameters and a bias. O·(I/groups)·k² multiply-adds per pixel, because sharing saves storage and no
 * work. With groups = I it is the hashed window of `HashedSeparable`.
 */
export class HashedConvolution extends StructuredConvolution implements DepthwiseWindow, FoldableLayer, EpilogueLayer {
  readonly name = "HashedConvolution";
  readonly isConvolution = true;
  readonly hashed: HashedWeight;
  readonly #options: ConvolutionOptions;

  constructor(site: ConvolutionSite, budget: number, build: Build, options: HashedOptions = {}) {
    super();
    checkOptions("HashedConvolution", options, hashedOptions);
    const { inChannels, outChannels, kernel, stride = 1, padding = Math.floor(kernel / 2), dilation = 1, groups = 1 } = site;
    this.hashed = new HashedWeight([outChannels, inChannels / groups, kernel, kernel], budget, build, options);
    this.#options = { stride, padding, dilation, groups };
  }

  protected override parts(): Iterable<[string, unknown]> {
    return Object.entries(this.hashed);
  }

  override describe(): Description {
    const { stride, padding, dilation, groups } = this.#options;
    const [outChannels, inChannels, kernel] = this.hashed.denseShape as [number, number, number];
    const options = { kernel, stride, padding: describedPadding(padding!), dilation, groups, budget: this.hashed.hashed_weight.value.size };
    return { kind: this.name, sizes: [inChannels * (groups as number), outChannels], options, whole: true };
  }

  get bias(): Parameter | undefined {
    return this.hashed.bias;
  }

  kernel(): Tensor {
    return this.hashed.value();
  }

  /** Makes a window the nearest one to `kernel`, with a bias of 0. */
  async approximateWindow(kernel: ArrayLike<number>): Promise<void> {
    await this.hashed.fromDense(kernel);
    this.bias?.write(new Float64Array(this.bias.value.size));
  }

  async approximateKernel(kernel: TensorArray): Promise<ApproximationError> {
    await this.hashed.fromDense(kernel.data);
    return wholeKernelError(kernel, () => this.toDenseKernel());
  }

  approximationRefusal(): undefined {
    return undefined;
  }

  paperMultiplyAdds(_: Shape, output: Shape): number {
    return this.hashed.idxs.value.size * pixelsOf(output);
  }

  decayedWeight(): Tensor {
    return this.toDenseKernel();
  }

  toDenseKernel(): Tensor {
    return this.kernel();
  }

  forward(x: Tensor): Tensor {
    const y = conv2d(x, this.kernel(), this.#options);
    const bias = this.hashed.bias;
    return bias === undefined ? y : addInPlace(y, reshape(bias.value, [1, bias.value.size, 1, 1]));
  }

  /** The addend takes the place of the convolution's own result. */
  forwardThen(x: Tensor, _: Context, then: Epilogue): Tensor {
    return applyInPlace(this.forward(x), then);
  }

  /** The kernel is gathered once. */
  fold(affine?: ChannelAffine): Conv2d {
    return foldedConvolution({ weight: this.kernel(), bias: this.hashed.bias?.value }, affine, this.#options);
  }
}
