/** `Shuffle_g`: the ShuffleNet block without its nonlinearities (Zhang et al. 2018, arXiv 1707.01083; paper, §3). */

import type { Context } from "../core/context.ts";
import type { ConvolutionOptions, Padding } from "../core/convolution-geometry.ts";
import { ConfigError } from "../core/errors.ts";
import { greatestCommonDivisor } from "../core/factors.ts";
import { checkOptions, type OptionNames, optionNames } from "../core/options.ts";
import { type Shape, sizeOf } from "../core/shape.ts";
import type { Matrix } from "../linalg/matrix.ts";
import { nearestShuffle } from "../linalg/shuffle.ts";
import { type TensorArray, tensorArray } from "../linalg/tensor-array.ts";
import type { ChannelAffine } from "../nn/channel-affine.ts";
import { Sequential } from "../nn/combinators.ts";
import { Conv2d, foldedConvolution } from "../nn/conv2d.ts";
import { type Described, type Description, describedPadding } from "../nn/describe.ts";
import type { EpilogueLayer } from "../nn/epilogue.ts";
import type { FoldableLayer } from "../nn/foldable-layer.ts";
import { type Build, constant, normalFanOut } from "../nn/init.ts";
import { Lambda } from "../nn/layers.ts";
import { groupedMatrices } from "../nn/matrix-view.ts";
import { type Layer, Module } from "../nn/module.ts";
import type { Parameter } from "../nn/state.ts";
import { addInPlace } from "../ops/add-in-place.ts";
import { contractChannels, type Stage } from "../ops/contract-channels.ts";
import { contractWindow } from "../ops/contract-window.ts";
import { conv2d } from "../ops/convolution.ts";
import { eye } from "../ops/creation.ts";
import { einsum } from "../ops/einsum.ts";
import { multiply } from "../ops/elementwise.ts";
import { applyInPlace, type Epilogue } from "../ops/epilogue.ts";
import { permute } from "../ops/layout.ts";
import { reshape } from "../ops/reshape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { ConvolutionSite } from "./convolution-factory.ts";
import { factor, normalMatrix, PointwiseFactor } from "./factor.ts";
import { defineFamily, familyOptions, searchGroups, whole } from "./family.ts";
import { transposeChannels } from "./mix-channels.ts";
import { checkDivisor, checkSizes, loweredDivisor } from "./sizes.ts";
import { type ApproximationError, pixelsOf, StructuredConvolution, wholeKernelError } from "./structured-convolution.ts";
import { type FactorSize, StructuredLinear, type StructuredOptions, type Work } from "./structured-linear.ts";

/** The window between the grouped maps: w:[b,1,k,k]. */
class Window extends Module {
  readonly weight: Parameter;

  constructor(channels: number, kernel: number, build: Build, init: StructuredOptions["init"]) {
    super();
    const shape = [channels, 1, kernel, kernel];
    this.weight = factor(init === "reference" || kernel > 1 ? normalFanOut(shape, build) : constant(shape, 1, build));
    this.weight.matrices = groupedMatrices(shape, channels);
  }
}

export interface ShuffleLinearOptions extends StructuredOptions {
  readonly kernel?: number;
}

/** The names of `ShuffleLinearOptions`. */
export const shuffleLinearOptions: OptionNames = optionNames<ShuffleLinearOptions>({ bias: true, mode: true, init: true, kernel: true });

/** The number of blocks of the two grouped maps. */
export interface ShuffleShape {
  /** The number g of groups, a common divisor of in, out and the bottleneck ⌊out/4⌋. */
  readonly groups: number;
}

/** The largest number of groups ≤ `wanted` that divides in, out and the bottleneck. The paper's code lowers the number so. */
const loweredGroups = (inFeatures: number, outFeatures: number, wanted: number): number =>
  loweredDivisor(greatestCommonDivisor(inFeatures, outFeatures, Math.floor(outFeatures / 4)), wanted);

const blocksEquation = "ab,aoi->aobi";
const kernelEquation = "op,pt,pi->oit";

/**
 * W = G₂·diag(d)·Π·G₁ with block-diagonal G₁:[b,in] and G₂:[out,b] of g blocks and b = ⌊out/4⌋. Π distributes the channels of each group
 * over all groups. With a k×k window a depthwise convolution replaces the diagonal.   b·in/g + b·k² + out·b/g parameters, and as many
 * multiply-adds a column. `fromDense` (k = 1) is the truncated SVD of each pair of blocks, the nearest such matrix. `fromDenseKernel` is a
 * CP decomposition of each pair of blocks.
 */
export class ShuffleLinear extends StructuredLinear {
  readonly name = "ShuffleLinear";
  readonly shuffle_gconv1: PointwiseFactor;
  readonly shuffle_dwconv: Window;
  readonly shuffle_gconv2: PointwiseFactor;
  readonly groups: number;
  readonly kernel: number;

  /** @throws ConfigError for fewer than four outputs, and for groups that do not divide in, out and the bottleneck. */
  constructor(inFeatures: number, outFeatures: number, { groups }: ShuffleShape, build: Build, allOptions: ShuffleLinearOptions = {}) {
    super(inFeatures, outFeatures, allOptions.mode);
    checkOptions("ShuffleLinear", allOptions, { ...familyOptions, ...shuffleLinearOptions });
    const { kernel = 1, ...options } = allOptions;
    checkSizes("ShuffleLinear", { inFeatures, outFeatures, kernel });
    const bottleneck = Math.floor(outFeatures / 4);
    if (bottleneck < 1) throw new ConfigError(`Shuffle: needs at least 4 outputs for its bottleneck of a quarter, got ${outFeatures}`);
    const common = greatestCommonDivisor(inFeatures, outFeatures, bottleneck);
    checkDivisor("ShuffleLinear", "groups", groups, common, "the greatest common divisor of inputs, outputs and bottleneck");
    this.groups = groups;
    this.kernel = kernel;
    const { init = "reference", bias = false } = options;
    this.shuffle_gconv1 = new PointwiseFactor(bottleneck, inFeatures / groups, build, init);
    this.shuffle_dwconv = new Window(bottleneck, kernel, build, init);
    this.shuffle_gconv2 = new PointwiseFactor(outFeatures, bottleneck / groups, build, init, bias);
    for (const { weight } of [this.shuffle_gconv1, this.shuffle_gconv2]) weight.matrices = groupedMatrices(weight.shape, groups);
    if (init === "spectral") {
      if (kernel > 1)
        throw new ConfigError(`Shuffle: spectral initialisation needs a 1×1 window, got ${kernel}×${kernel}; use another init`);
      this.fromDense(normalMatrix(outFeatures, inFeatures, build));
    }
  }

  get bottleneck(): number {
    return this.shuffle_gconv1.weight.shape[0]!;
  }

  override get bias(): Parameter | undefined {
    return this.shuffle_gconv2.bias;
  }

  /** Π·G₁·x. */
  narrow(x: Tensor): Tensor {
    return contractChannels(x, [this.#narrowing()]);
  }

  /** G₂·(w ∗ z). */
  windowAndWiden(z: Tensor, options: Omit<ConvolutionOptions, "groups">): Tensor {
    return contractWindow(z, this.shuffle_dwconv.weight.value, [["goi,gi->go", this.#blocks().second]], options);
  }

  /** The stage Π·G₁. */
  #narrowing(): Stage {
    return ["goi,gi->og", this.#blocks().first];
  }

  override stages(): readonly Stage[] {
    const { second, taps } = this.#blocks();
    const scaled = multiply(second, reshape(taps, [this.groups, 1, this.bottleneck / this.groups]));
    return [this.#narrowing(), ["goi,gi->go", scaled]];
  }

  #blocks(): { first: Tensor; second: Tensor; groups: Tensor; taps: Tensor } {
    const { groups, bottleneck, kernel } = this;
    const width = bottleneck / groups;
    const dtype = this.shuffle_gconv1.weight.dtype;
    return {
      first: reshape(this.shuffle_gconv1.weight.value, [groups, width, this.inFeatures / groups]),
      second: reshape(this.shuffle_gconv2.weight.value, [groups, this.outFeatures / groups, width]),
      groups: eye(groups, groups, { dtype }),
      taps: reshape(this.shuffle_dwconv.weight.value, [bottleneck, kernel * kernel]),
    };
  }

  /** The kernel of this block as a convolution: K[o,i,t] = Σ_p G₂[o,p]·w[p,t]·(ΠG₁)[p,i].   → [out,in,k,k]. */
  toDenseKernel(): Tensor {
    const { bottleneck, inFeatures, outFeatures, kernel } = this;
    const { first, second, groups, taps } = this.#blocks();
    const blocks = einsum(blocksEquation, groups, first);
    // Row (group, j) of G₁ moves to place (j, group).
    const dealt = reshape(permute(blocks, [1, 0, 2, 3]), [bottleneck, inFeatures]);
    const wide = reshape(einsum(blocksEquation, groups, second), [outFeatures, bottleneck]);
    return reshape(einsum(kernelEquation, wide, taps, dealt), [outFeatures, inFeatures, kernel, kernel]);
  }

  override factorSizes(): readonly FactorSize[] {
    const { groups, bottleneck, kernel } = this;
    return [
      { parameter: this.shuffle_gconv1.weight, inputs: this.inFeatures / groups, outputs: bottleneck / groups },
      { parameter: this.shuffle_dwconv.weight, inputs: kernel ** 2, outputs: kernel ** 2 },
      { parameter: this.shuffle_gconv2.weight, inputs: bottleneck / groups, outputs: this.outFeatures / groups },
    ];
  }

  protected override details(): Readonly<Record<string, Described | undefined>> {
    return { groups: this.groups, bottleneck: this.bottleneck, kernel: this.kernel === 1 ? undefined : this.kernel };
  }

  toDense(): Tensor {
    if (this.kernel > 1) throw new ConfigError("Shuffle: with a window of its own the block is no matrix; ask for toDenseKernel()");
    return reshape(this.toDenseKernel(), [this.outFeatures, this.inFeatures]);
  }

  override contractionCost(): Work {
    const { groups, bottleneck } = this;
    const widening = (this.outFeatures * bottleneck) / groups;
    return { multiplyAdds: (bottleneck * this.inFeatures) / groups + widening, perCall: widening };
  }

  denseCost(): number {
    const { bottleneck, inFeatures, outFeatures } = this;
    return (
      bottleneck * inFeatures +
      outFeatures * bottleneck + // This and the line above write out the block-diagonal matrices.
      Math.min(outFeatures, inFeatures) * bottleneck + // The diagonal multiplies the smaller one of them.
      outFeatures * bottleneck * inFeatures
    );
  }

  override fromDense(target: Matrix): void {
    if (this.kernel > 1) throw new ConfigError("Shuffle: with a window of its own the block is no matrix; call fromDenseKernel(kernel)");
    this.fromDenseKernel(tensorArray([this.outFeatures, this.inFeatures, 1, 1], target.data));
  }

  /** Overwrites the parameters so that the block is near to K:[out,in,k,k], by `nearestShuffle`. */
  fromDenseKernel(target: TensorArray): void {
    const { first, second, window } = nearestShuffle(target, { groups: this.groups, bottleneck: this.bottleneck });
    this.shuffle_gconv1.weight.write(first);
    this.shuffle_gconv2.weight.write(second);
    this.shuffle_dwconv.weight.write(window);
  }
}

/** The block as a convolution. Its window stands between the two grouped maps and has the stride, the padding and the dilation. */
export class ShuffleConvolution extends StructuredConvolution implements FoldableLayer, EpilogueLayer {
  readonly name = "ShuffleConvolution";
  readonly map: ShuffleLinear;
  readonly #window: { readonly stride?: number; readonly padding: Padding; readonly dilation?: number };

  constructor(
    { inChannels, outChannels, kernel, stride = 1, padding = Math.floor(kernel / 2), dilation = 1, bias = false }: ConvolutionSite,
    shape: ShuffleShape,
    build: Build,
    options: StructuredOptions = {},
  ) {
    super();
    this.map = new ShuffleLinear(inChannels, outChannels, shape, build, { ...options, bias, kernel });
    this.#window = { stride, padding, dilation };
  }

  override describe(): Description {
    const { stride, padding, dilation } = this.#window;
    return { kind: this.name, options: { stride, padding: describedPadding(padding), dilation } };
  }

  get bias(): Parameter | undefined {
    return this.map.bias;
  }

  /** The map's parameters have the names of the paper's code, without a prefix of the map's own. */
  protected override parts(): Iterable<[string, unknown]> {
    return Object.entries(this.map);
  }

  forward(x: Tensor): Tensor {
    const { map } = this;
    const y = map.mode === "dense" ? conv2d(x, map.toDenseKernel(), this.#window) : this.#factorized(x);
    const bias = map.bias;
    return bias === undefined ? y : addInPlace(y, reshape(bias.value, [1, map.outFeatures, 1, 1]));
  }

  /** The addend takes the place of the convolution's own result. */
  forwardThen(x: Tensor, _: Context, then: Epilogue): Tensor {
    return applyInPlace(this.forward(x), then);
  }

  /** G₂ takes in the scale and the shift; in mode `dense` the whole kernel does. */
  fold(affine?: ChannelAffine): Layer {
    const { map } = this;
    if (affine === undefined) return this;
    const bias = map.bias?.value;
    if (map.mode === "dense") return foldedConvolution({ weight: map.toDenseKernel(), bias }, affine, this.#window);
    const { bottleneck, groups } = map;
    return new Sequential(
      Conv2d.of({ weight: map.shuffle_gconv1.weight.value }, { groups }),
      new Lambda((x) => {
        const [batch, channels, height, width] = x.shape as [number, number, number, number];
        return reshape(transposeChannels(reshape(x, [batch, channels, height * width]), groups, bottleneck / groups), x.shape);
      }),
      Conv2d.of({ weight: map.shuffle_dwconv.weight.value }, { ...this.#window, groups: bottleneck }),
      foldedConvolution({ weight: map.shuffle_gconv2.weight.value, bias }, affine, { groups }),
    );
  }

  #factorized(x: Tensor): Tensor {
    const { map } = this;
    const [batch, channels, height, width] = x.shape as [number, number, number, number];
    const narrow = reshape(map.narrow(reshape(x, [batch, channels, height * width])), [batch, map.bottleneck, height, width]);
    return map.windowAndWiden(narrow, this.#window);
  }

  toDenseKernel(): Tensor {
    return this.map.toDenseKernel();
  }

  paperMultiplyAdds(input: Shape, output: Shape): number {
    const { shuffle_gconv1: narrow, shuffle_dwconv: window, shuffle_gconv2: widen } = this.map;
    return sizeOf(narrow.weight.shape) * pixelsOf(input) + (sizeOf(window.weight.shape) + sizeOf(widen.weight.shape)) * pixelsOf(output);
  }

  approximationRefusal(): string | undefined {
    return undefined;
  }

  async approximateKernel(kernel: TensorArray): Promise<ApproximationError> {
    this.map.fromDenseKernel(kernel);
    return wholeKernelError(kernel, () => this.toDenseKernel());
  }

  override maps(): readonly StructuredLinear[] {
    return [this.map];
  }

  decayedWeight(): Tensor {
    return this.toDenseKernel();
  }
}

export const shuffleFamily = defineFamily({
  kind: "Shuffle",
  title: "Linear ShuffleNet",
  alias: "linear-shuffle",
  parameters: [whole("groups")],
  budget: searchGroups("groups"),
  examples: { inspect: { kind: "Shuffle", groups: 2 }, bench: [{ kind: "Shuffle", groups: 4 }] },
  // One spec serves layers of all sizes, so the number of groups is lowered to a divisor.
  linear: ({ groups }, inFeatures, outFeatures, build, options) =>
    new ShuffleLinear(inFeatures, outFeatures, { groups: loweredGroups(inFeatures, outFeatures, groups) }, build, options),
  convolution: ({ groups }, site, build, options) =>
    new ShuffleConvolution(site, { groups: loweredGroups(site.inChannels, site.outChannels, groups) }, build, options),
});
