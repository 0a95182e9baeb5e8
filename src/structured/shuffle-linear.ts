/** `Shuffle_g`: the linear ShuffleNet block (Zhang et al. 2018, arXiv 1707.01083, its nonlinearities removed; paper, §3). */

import { ConfigError } from "../core/errors.ts";
import { type Shape, sizeOf } from "../core/shape.ts";
import { lowRank } from "../linalg/low-rank.ts";
import { type Matrix, matrix } from "../linalg/matrix.ts";
import type { TensorArray } from "../linalg/tensor-array.ts";
import type { ChannelAffine } from "../nn/channel-affine.ts";
import { Sequential } from "../nn/combinators.ts";
import { Conv2d, foldedConvolution } from "../nn/conv2d.ts";
import type { Described, Description } from "../nn/describe.ts";
import type { FoldableLayer } from "../nn/foldable-layer.ts";
import { type Build, constant, normalFanOut } from "../nn/init.ts";
import { Lambda } from "../nn/layers.ts";
import { type Layer, Module } from "../nn/module.ts";
import type { Parameter } from "../nn/state.ts";
import { conv2d } from "../ops/convolution.ts";
import { eye } from "../ops/creation.ts";
import { einsum } from "../ops/einsum.ts";
import { add, multiply } from "../ops/elementwise.ts";
import { permute } from "../ops/layout.ts";
import { reshape } from "../ops/reshape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { ConvolutionSite } from "./convolution-factory.ts";
import { factor, normalMatrix, PointwiseFactor } from "./factor.ts";
import { defineFamily, searchGroups, whole } from "./family.ts";
import { mixChannels, transposeChannels } from "./mix-channels.ts";
import { type ApproximationError, pixelsOf, StructuredConvolution, wholeKernelError } from "./structured-convolution.ts";
import { checkSizes, StructuredLinear, type StructuredOptions, type Work } from "./structured-linear.ts";

/** The window between the grouped maps: w:[b,1,k,k]. */
class Window extends Module {
  readonly weight: Parameter;

  constructor(channels: number, kernel: number, build: Build, init: StructuredOptions["init"]) {
    super();
    const shape = [channels, 1, kernel, kernel];
    this.weight = factor(init === "reference" || kernel > 1 ? normalFanOut(shape, build) : constant(shape, 1, build));
  }
}

export interface ShuffleLinearOptions extends StructuredOptions {
  readonly kernel?: number;
}

const blocksEquation = "ab,aoi->aobi";
const kernelEquation = "op,pt,pi->oit";

/**
 * W = G₂·diag(d)·Π·G₁: G₁:[b,in] and G₂:[out,b] block-diagonal with g blocks, b = ⌊out/4⌋, Π dealing each group's channels to all groups.
 * With a k×k window the diagonal becomes a depthwise convolution.   b·in/g + b·k² + out·b/g parameters, as many multiply-adds a column.
 * g is lowered until it divides in, out and b, as the paper's code has it. `fromDense` (k = 1): each block pair's truncated SVD, exact blockwise.
 */
export class ShuffleLinear extends StructuredLinear {
  readonly name = "ShuffleLinear";
  readonly shuffle_gconv1: PointwiseFactor;
  readonly shuffle_dwconv: Window;
  readonly shuffle_gconv2: PointwiseFactor;
  readonly groups: number;
  readonly kernel: number;

  /** @throws ConfigError for fewer than four outputs or groups < 1. */
  constructor(
    inFeatures: number,
    outFeatures: number,
    groups: number,
    build: Build,
    { kernel = 1, ...options }: ShuffleLinearOptions = {},
  ) {
    super(inFeatures, outFeatures, options.mode);
    checkSizes("Shuffle", { inFeatures, outFeatures, groups, kernel });
    const bottleneck = Math.floor(outFeatures / 4);
    if (bottleneck < 1) throw new ConfigError(`Shuffle: needs at least 4 outputs for its bottleneck of a quarter, got ${outFeatures}`);
    let fitting = groups;
    while ([inFeatures, outFeatures, bottleneck].some((size) => size % fitting !== 0)) fitting--;
    this.groups = fitting;
    this.kernel = kernel;
    const { init = "reference", bias = false } = options;
    this.shuffle_gconv1 = new PointwiseFactor(bottleneck, inFeatures / fitting, build, init);
    this.shuffle_dwconv = new Window(bottleneck, kernel, build, init);
    this.shuffle_gconv2 = new PointwiseFactor(outFeatures, bottleneck / fitting, build, init, bias);
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
    return transposeChannels(mixChannels(x, this.shuffle_gconv1.weight.value, this.groups), this.groups, this.bottleneck / this.groups);
  }

  /** G₂·z. */
  widen(z: Tensor): Tensor {
    return mixChannels(z, this.shuffle_gconv2.weight.value, this.groups);
  }

  override contract(x: Tensor): Tensor {
    return this.widen(multiply(reshape(this.shuffle_dwconv.weight.value, [1, this.bottleneck, 1]), this.narrow(x)));
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

  /** The convolution this block is: K[o,i,t] = Σ_p G₂[o,p]·w[p,t]·(ΠG₁)[p,i].   → [out,in,k,k]. */
  toDenseKernel(): Tensor {
    const { bottleneck, inFeatures, outFeatures, kernel } = this;
    const { first, second, groups, taps } = this.#blocks();
    const blocks = einsum(blocksEquation, groups, first);
    // Row (group, j) of G₁ moves to place (j, group).
    const dealt = reshape(permute(blocks, [1, 0, 2, 3]), [bottleneck, inFeatures]);
    const wide = reshape(einsum(blocksEquation, groups, second), [outFeatures, bottleneck]);
    return reshape(einsum(kernelEquation, wide, taps, dealt), [outFeatures, inFeatures, kernel, kernel]);
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
    return { multiplyAdds: (bottleneck * (this.inFeatures + this.outFeatures)) / groups + bottleneck, perCall: 0 };
  }

  denseCost(): number {
    const { bottleneck, inFeatures, outFeatures } = this;
    return (
      bottleneck * inFeatures +
      outFeatures * bottleneck + // the two block-diagonal matrices, laid out
      Math.min(outFeatures, inFeatures) * bottleneck + // the diagonal onto the smaller of them
      outFeatures * bottleneck * inFeatures
    );
  }

  override fromDense(target: Matrix): void {
    const { groups, bottleneck } = this;
    const [outs, ins, width] = [this.outFeatures / groups, this.inFeatures / groups, bottleneck / groups];
    const first = new Float64Array(this.shuffle_gconv1.weight.value.size);
    const second = new Float64Array(this.shuffle_gconv2.weight.value.size);
    for (let c = 0; c < groups; c++)
      for (let a = 0; a < groups; a++) {
        // Places p = j·g + a of the shuffled bottleneck that group c of G₂ reads.
        const places = Array.from({ length: width }, (_, t) => c * width + t).filter((p) => p % groups === a);
        if (places.length === 0) continue;
        const block = matrix(outs, ins);
        for (let o = 0; o < outs; o++)
          block.data.set(
            target.data.subarray((c * outs + o) * target.columns + a * ins, (c * outs + o) * target.columns + (a + 1) * ins),
            o * ins,
          );
        const { left, right } = lowRank(block, places.length);
        for (const [t, p] of places.slice(0, left.columns).entries()) {
          const row = a * width + Math.floor(p / groups);
          first.set(right.data.subarray(t * ins, (t + 1) * ins), row * ins);
          for (let o = 0; o < outs; o++) second[(c * outs + o) * width + (p - c * width)] = left.data[o * left.columns + t]!;
        }
      }
    this.shuffle_gconv1.weight.write(first);
    this.shuffle_gconv2.weight.write(second);
    this.shuffle_dwconv.weight.write(new Float64Array(bottleneck).fill(1));
  }
}

/** The block as a convolution: its window, which takes stride, padding and dilation, stands between the two grouped maps. */
export class ShuffleConvolution extends StructuredConvolution implements FoldableLayer {
  readonly name = "ShuffleConvolution";
  readonly map: ShuffleLinear;
  readonly #window: { readonly stride?: number; readonly padding: number; readonly dilation?: number };

  constructor(
    { inChannels, outChannels, kernel, stride = 1, padding = Math.floor(kernel / 2), dilation = 1, bias = false }: ConvolutionSite,
    groups: number,
    build: Build,
    options: StructuredOptions = {},
  ) {
    super();
    this.map = new ShuffleLinear(inChannels, outChannels, groups, build, { ...options, bias, kernel });
    this.#window = { stride, padding, dilation };
  }

  override describe(): Description {
    const { stride, padding, dilation } = this.#window;
    return { kind: this.name, options: { stride, padding, dilation } };
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
    return bias === undefined ? y : add(y, reshape(bias.value, [1, map.outFeatures, 1, 1]));
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
    const z = conv2d(narrow, map.shuffle_dwconv.weight.value, { ...this.#window, groups: map.bottleneck });
    const [, , outHeight, outWidth] = z.shape as [number, number, number, number];
    return reshape(map.widen(reshape(z, [batch, map.bottleneck, outHeight * outWidth])), [batch, map.outFeatures, outHeight, outWidth]);
  }

  toDenseKernel(): Tensor {
    return this.map.toDenseKernel();
  }

  paperMultiplyAdds(input: Shape, output: Shape): number {
    const { shuffle_gconv1: narrow, shuffle_dwconv: window, shuffle_gconv2: widen } = this.map;
    return sizeOf(narrow.weight.shape) * pixelsOf(input) + (sizeOf(window.weight.shape) + sizeOf(widen.weight.shape)) * pixelsOf(output);
  }

  approximationRefusal(): string | undefined {
    if (this.map.kernel === 1) return undefined;
    return "Shuffle: its window stands between the two grouped maps, so a k×k kernel splits off none; use Monarch_4 or Generic_0.25";
  }

  async approximateKernel(kernel: TensorArray): Promise<ApproximationError> {
    this.map.fromDense(matrix(kernel.shape[0]!, kernel.shape[1]!, kernel.data));
    return wholeKernelError(kernel, () => this.toDenseKernel());
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
  linear: ({ groups }, inFeatures, outFeatures, build, options) => new ShuffleLinear(inFeatures, outFeatures, groups, build, options),
  convolution: ({ groups }, site, build, options) => new ShuffleConvolution(site, groups, build, options),
});
