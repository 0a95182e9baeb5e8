/** The convolution that is made of a structured map: a depthwise window, and then the map at every pixel (paper, eq. 1). */

import { kernels } from "../backend/active.ts";
import type { Activation } from "../backend/kernels.ts";
import type { Context } from "../core/context.ts";
import { convolutionGeometry, type Padding, sidesOf, type WindowAxis } from "../core/convolution-geometry.ts";
import { ConfigError } from "../core/errors.ts";
import { checkOptions, type OptionNames, optionNames } from "../core/options.ts";
import type { WindowOptions } from "../core/separable-geometry.ts";
import { type Shape, sizeOf } from "../core/shape.ts";
import { frobenius, matrix } from "../linalg/matrix.ts";
import type { TensorArray } from "../linalg/tensor-array.ts";
import type { BatchNorm2d } from "../nn/batch-norm2d.ts";
import { AffineLayer, afterBias, type ChannelAffine } from "../nn/channel-affine.ts";
import { Sequential } from "../nn/combinators.ts";
import { Conv2d, foldedConvolution } from "../nn/conv2d.ts";
import type { Description } from "../nn/describe.ts";
import type { EpilogueLayer } from "../nn/epilogue.ts";
import { folded } from "../nn/fold-batch-norm.ts";
import type { FoldableLayer } from "../nn/foldable-layer.ts";
import { type Build, normalFanOut } from "../nn/init.ts";
import { Lambda } from "../nn/layers.ts";
import { Layer } from "../nn/module.ts";
import type { NormedLayer } from "../nn/preceding-norm.ts";
import type { Parameter } from "../nn/state.ts";
import { addInPlace } from "../ops/add-in-place.ts";
import type { Stage } from "../ops/contract-channels.ts";
import { contractWindow } from "../ops/contract-window.ts";
import { add, multiply } from "../ops/elementwise.ts";
import { applyEpilogue, applyInPlace, type Epilogue } from "../ops/epilogue.ts";
import { pad, slice } from "../ops/layout.ts";
import { matmul } from "../ops/matmul.ts";
import { normContractWindow } from "../ops/norm-contract-window.ts";
import { normSeparableConv2d } from "../ops/norm-separable-convolution.ts";
import { reshape } from "../ops/reshape.ts";
import { separableConv2d } from "../ops/separable-convolution.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { ConvolutionSite } from "./convolution-factory.ts";
import { projectOnWindow, splitKernel } from "./kernel-split.ts";
import {
  type ApproximationError,
  difference,
  noApproximation,
  pixelsOf,
  readValues,
  StructuredConvolution,
  wholeKernelError,
} from "./structured-convolution.ts";
import type { PathChoice, StructuredLinear } from "./structured-linear.ts";

/**
 * A depthwise k×k convolution whose weight can be read. Its stride, padding and dilation are those of the site.
 */
export interface DepthwiseWindow extends Layer {
  /** w:[C,1,k,k]. */
  kernel(): Tensor;
  /** The bias that `forward` adds. Default: none. */
  readonly bias?: Parameter | undefined;
  /**
   * Whether `forward` is the convolution with `kernel()` plus the bias, and nothing else such as a norm. Only then can the window be one op
   * with the map. Default: false.
   */
  readonly isConvolution?: boolean;
  /** Overwrites the parameters so that the weight is near to `kernel`:[C,k²]. A window without this method cannot be compressed to. */
  approximateWindow?(kernel: ArrayLike<number>): Promise<void>;
}

/** w:[C,1,k,k] without a bias. It has the full weight decay, as it is no part of the structured map. */
class DepthwiseConv2d extends Conv2d implements DepthwiseWindow {
  readonly isConvolution = true;

  approximateWindow(kernel: ArrayLike<number>): Promise<void> {
    this.weight.write(kernel);
    return Promise.resolve();
  }
}

export interface SeparableOptions {
  /** Makes the window; it is not called for a 1×1 site. Default: a plain depthwise convolution. */
  readonly window?: (site: ConvolutionSite, build: Build) => DepthwiseWindow;
  /** Whether the padding of a 1×1 site is left out, as the paper's code does for low rank. Default: false. */
  readonly dropsPadding?: boolean;
  /** Whether a convolution with a bias is refused, as the paper's code refuses it for ACDC and tied low rank. Default: false. */
  readonly refusesBias?: boolean;
}

/** The names of `SeparableOptions`. */
export const separableOptions: OptionNames = optionNames<SeparableOptions>({ window: true, dropsPadding: true, refusesBias: true });

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

  override describe(): Description {
    return { kind: "MapLayer" };
  }

  forward(x: Tensor): Tensor {
    return onPixels(x, (columns) => this.map.contract(columns));
  }
}

/**
 * What factors cost more than a matrix behind a window, in multiply-adds per column and channel. On `wasm` the window feeds both tile by tile,
 * but each factor reads and writes the columns of the tile once more. Without a kernel for that, the factors read and write their columns in
 * passes of their own. Measured on the builds of `wasm` (docs/benchmarks.md).
 */
const tilePass = 8;
const ownPass = 12;

/**
 * y = W·(w ∗ x) + b with a depthwise window w:[I,1,k,k] and W:[O,I] at every pixel.   x:[N,I,H,W] → y:[N,O,H′,W′].
 * The window has the stride, the padding and the dilation. It has I·k² parameters beside those of the map. The dense convolution has
 * O·I·k². A 1×1 site has no window. There the input itself is padded, and every stride-th pixel is taken.
 */
export class SeparableConvolution extends StructuredConvolution implements FoldableLayer, EpilogueLayer, NormedLayer {
  readonly grouped: DepthwiseWindow | undefined;
  readonly map: StructuredLinear;
  readonly #stride: number;
  readonly #padding: Padding;
  readonly #dilation: number;

  /** @throws ConfigError for a site with groups, and for a map with a bias where the options refuse one. */
  constructor(site: ConvolutionSite, build: Build, createMap: () => StructuredLinear, options: SeparableOptions = {}) {
    super();
    checkOptions("SeparableConvolution", options, separableOptions);
    const { window, dropsPadding = false, refusesBias = false } = options;
    const { inChannels, kernel, stride = 1, padding = Math.floor(kernel / 2), dilation = 1, groups = 1 } = site;
    if (groups !== 1) throw new ConfigError(`SeparableConvolution: a site's groups must be 1, got ${groups}; use Conv there`);
    this.#stride = stride;
    this.#padding = dropsPadding && kernel === 1 ? 0 : padding;
    this.#dilation = dilation;
    const depthwise = (): DepthwiseWindow =>
      window === undefined
        ? new DepthwiseConv2d(inChannels, inChannels, kernel, build, { stride, padding, dilation, groups: inChannels, init: normalFanOut })
        : window({ ...site, padding }, build);
    this.grouped = kernel > 1 ? depthwise() : undefined;
    this.map = createMap();
    if (refusesBias && this.map.bias !== undefined)
      throw new ConfigError(
        `${this.map.name}: its convolution has no bias, as in the paper's code, got bias: true; ` +
          "leave the bias out, or use the map as a layer of its own",
      );
  }

  get name(): string {
    return this.map.name;
  }

  get bias(): Parameter | undefined {
    return this.map.bias;
  }

  override describe(): Description {
    const { inFeatures, outFeatures } = this.map;
    return { kind: "SeparableConvolution", sizes: [inFeatures, outFeatures], options: { stride: this.grouped ? undefined : this.#stride } };
  }

  /** The map's parameters stand beside the window's, as in the paper's code: their names have no prefix for the map. */
  protected override parts(): Iterable<[string, unknown]> {
    return [["grouped", this.grouped], ...Object.entries(this.map)];
  }

  forward(x: Tensor, context: Context): Tensor {
    return this.forwardThen(x, context, {});
  }

  /**
   * activation(f(x) + addend). Where the window and the matrix W are one op, and there is no bias, the op adds the addend. Elsewhere the sum
   * takes the place of the convolution's own result.
   */
  forwardThen(x: Tensor, context: Context, then: Epilogue): Tensor {
    const window = this.#fusible?.kernel();
    if (window !== undefined && this.#multipliesByMatrix(x, window)) {
      const matrix = this.map.toDense();
      return this.#finished(matrix, then, (addend) => separableConv2d(x, window, matrix, this.#windowOptions, addend));
    }
    const stages = this.#stages;
    const convolve = (): Tensor =>
      window !== undefined && stages !== undefined
        ? contractWindow(x, window, stages, this.#windowOptions)
        : onPixels(this.#windowed(x, context), (columns) => this.map.applyToColumns(columns));
    return applyInPlace(this.#biased(convolve()), then);
  }

  /** The stages of the map, if they can be one op with the window. */
  get #stages(): readonly Stage[] | undefined {
    return this.#fusible === undefined || this.grouped?.bias !== undefined ? undefined : this.map.stages();
  }

  /**
   * At once in training, where the window is one op with the matrix W or with the stages, and has stride 1. A window with a stride leaves a
   * cotangent that is larger than its result, and then nothing is gained (docs/benchmarks.md).
   */
  forwardAfterNorm(x: Tensor, context: Context, norm: BatchNorm2d, activation: Activation, then: Epilogue): Tensor | undefined {
    const window = this.#fusible?.kernel();
    if (window === undefined || this.#stride !== 1 || !norm.takesBatch(context)) return undefined;
    if (!this.#multipliesByMatrix(x, window)) {
      const stages = this.#stages;
      if (stages === undefined) return undefined;
      const y = norm.forwardInto(x, (gamma, beta, epsilon, running) =>
        normContractWindow(x, { gamma, beta, epsilon, activation }, window, stages, this.#windowOptions, running),
      );
      return applyInPlace(this.#biased(y), then);
    }
    const matrix = this.map.toDense();
    return this.#finished(matrix, then, (addend) =>
      norm.forwardInto(x, (gamma, beta, epsilon, running) =>
        normSeparableConv2d(x, { gamma, beta, epsilon, activation }, window, matrix, this.#windowOptions, addend, running),
      ),
    );
  }

  /**
   * The window and the matrix W as one op, and what follows them. The op leaves out both biases: W·(w ∗ x + c) + b = W·(w ∗ x) + (W·c + b).
   */
  #finished(matrix: Tensor, then: Epilogue, convolve: (addend: Tensor | undefined) => Tensor): Tensor {
    const [bias, windowBias] = [this.map.bias?.value, this.grouped?.bias?.value];
    const throughMap = windowBias && reshape(matmul(matrix, reshape(windowBias, [this.map.inFeatures, 1])), [this.map.outFeatures]);
    const sum = throughMap && bias ? add(throughMap, bias) : (throughMap ?? bias);
    if (sum !== undefined) return applyInPlace(this.#plusBias(convolve(undefined), sum), then);
    return applyEpilogue(convolve(then.addend), { activation: then.activation });
  }

  #biased(y: Tensor): Tensor {
    return this.map.bias === undefined ? y : this.#plusBias(y, this.map.bias.value);
  }

  #plusBias(y: Tensor, bias: Tensor): Tensor {
    return addInPlace(y, reshape(bias, [1, this.map.outFeatures, 1, 1]));
  }

  get #windowOptions(): WindowOptions {
    return { stride: this.#stride, padding: this.#padding, dilation: this.#dilation };
  }

  /** Whether the map behind the window is applied to x as the matrix W. */
  #multipliesByMatrix(x: Tensor, window: Tensor): boolean {
    const options = { ...this.#windowOptions, groups: this.map.inFeatures };
    const { batch, outHeight, outWidth } = convolutionGeometry(this.name, x.shape, window.shape, options);
    return this.choose(batch * outHeight * outWidth).path === "dense";
  }

  /** w ∗ x, or the pixels of x that a site without a window reads. */
  #windowed(x: Tensor, context: Context): Tensor {
    return this.grouped === undefined ? this.#sampled(x) : this.grouped.forward(x, context);
  }

  /** The path that the map takes for `columns` pixels of the result. */
  choose(columns: number): PathChoice {
    const { inFeatures, outFeatures } = this.map;
    const pass = kernels().contractWindow === undefined ? ownPass : tilePass;
    return this.map.choose(columns, this.#fusible === undefined ? 0 : pass * (inFeatures + outFeatures));
  }

  /** The window, if it can be one op with the map. */
  get #fusible(): DepthwiseWindow | undefined {
    return this.grouped?.isConvolution ? this.grouped : undefined;
  }

  /**
   * If multiplying by W is cheaper than the contraction, W is formed once and becomes a 1×1 convolution, which takes in s and t. Otherwise
   * the contraction stays, and a layer with s and t follows it in the place of the bias.
   */
  fold(affine?: ChannelAffine): Layer {
    const { map, grouped } = this;
    const bias = map.bias?.value;
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

  /** The pixels of x that a 1×1 convolution reads. */
  #sampled(x: Tensor): Tensor {
    const [height, width] = x.shape.slice(2).map((size) => ({ size, kernel: 1, stride: this.#stride, dilation: 1 })) as [
      WindowAxis,
      WindowAxis,
    ];
    const { top, left, bottom, right } = sidesOf("SeparableConvolution", this.#padding, [height, width]);
    const isPadded = top + left + bottom + right > 0;
    const padded = isPadded
      ? pad(x, [
          [0, 0],
          [0, 0],
          [top, bottom],
          [left, right],
        ])
      : x;
    if (this.#stride === 1) return padded;
    return slice(padded, [undefined, undefined, [0, padded.shape[2]!, this.#stride], [0, padded.shape[3]!, this.#stride]]);
  }

  /** K[o,i,u,v] = W[o,i]·w[i,u,v].   → [O,I,k,k]. */
  toDenseKernel(): Tensor {
    const { inFeatures, outFeatures } = this.map;
    const pointwise = reshape(this.map.toDense(), [outFeatures, inFeatures, 1, 1]);
    if (this.grouped === undefined) return pointwise;
    const window = this.grouped.kernel();
    return multiply(pointwise, reshape(window, [1, inFeatures, window.shape[2]!, window.shape[3]!]));
  }

  paperMultiplyAdds(input: Shape, output: Shape): number {
    const { grouped, map } = this;
    const window = grouped === undefined ? 0 : sizeOf(grouped.kernel().shape) * pixelsOf(output);
    return window + map.paperMultiplyAdds({ input: pixelsOf(input), output: pixelsOf(output), windowed: grouped !== undefined });
  }

  approximationRefusal(kind: string): string | undefined {
    if (this.map.fromDense === undefined) return noApproximation(kind);
    if (this.grouped === undefined || this.grouped.approximateWindow !== undefined) return undefined;
    const advice = "give the window a method approximateWindow, or train it from scratch";
    return `${kind}: its window cannot be brought near to a given kernel; ${advice}`;
  }

  /** A k×k kernel is split into a window and a pointwise matrix, and the matrix is approximated. A 1×1 kernel is approximated as it is. */
  async approximateKernel(kernel: TensorArray): Promise<ApproximationError> {
    const { grouped, map } = this;
    if (grouped === undefined) {
      await map.fromDense!(matrix(kernel.shape[0]!, kernel.shape[1]!, kernel.data));
      return wholeKernelError(kernel, () => this.toDenseKernel());
    }
    await grouped.approximateWindow!(splitKernel(kernel).window.data);
    // The matrix is the best one for the window as it is stored: in float32, and with shared values where the window is hashed.
    const { pointwise, rest } = projectOnWindow(kernel, await readValues(() => grouped.kernel()));
    await map.fromDense!(pointwise);
    const left = difference(kernel.data, await readValues(() => this.toDenseKernel()));
    const size = frobenius(kernel.data) || 1;
    return { relative: frobenius(left) / size, separable: frobenius(rest) / size, structured: frobenius(difference(left, rest)) / size };
  }

  override maps(): readonly StructuredLinear[] {
    return [this.map];
  }

  decayedWeight(): Tensor | undefined {
    return this.map.decayedWeight();
  }
}
