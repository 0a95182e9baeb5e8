/**
 * ACDC (Moczulski et al. 2016, arXiv 1511.05946): a product of diagonal matrices that act in turn on a signal and on its cosine transform.
 */

import { cosineMatrix, cosineTransformMultiplyAdds } from "../core/cosine-transform.ts";
import { ConfigError } from "../core/errors.ts";
import { checkOptions, type OptionNames, optionNames } from "../core/options.ts";
import { Random } from "../core/random.ts";
import { nearestAcdc } from "../linalg/acdc.ts";
import type { Matrix } from "../linalg/matrix.ts";
import type { Described } from "../nn/describe.ts";
import { type Build, constant } from "../nn/init.ts";
import { Module } from "../nn/module.ts";
import type { Parameter } from "../nn/state.ts";
import { cosineTransform } from "../ops/cosine-transform.ts";
import { constantTensor, normal, tensor } from "../ops/creation.ts";
import { multiply } from "../ops/elementwise.ts";
import { pad, slice, tile } from "../ops/layout.ts";
import { matmul } from "../ops/matmul.ts";
import { reshape } from "../ops/reshape.ts";
import { sum } from "../ops/sum-and-broadcast.ts";
import { type DType, type TypedArray, typedArray } from "../tensor/storage.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { biasParameter, factor, refuseSpectral } from "./factor.ts";
import { familyOptions, type StructuredFamily, searchRank, whole } from "./family.ts";
import { transposeChannels } from "./mix-channels.ts";
import { checkSizes } from "./sizes.ts";
import { type FactorSize, type PaperPixels, StructuredLinear, type StructuredOptions, type Work } from "./structured-linear.ts";

/** The two diagonals of one factor, [c,1] each. */
class Diagonals extends Module {
  readonly A: Parameter;
  readonly D: Parameter;

  constructor(size: number, build: Build, exact: boolean) {
    super();
    const begin = (): Tensor =>
      exact ? constant([size, 1], 1, build) : normal([size, 1], build.random, { mean: 1, std: 0.01, dtype: build.dtype ?? "float32" });
    this.A = factor(begin());
    this.D = factor(begin());
  }
}

/** The most factors of a map. The paper has up to 11, and each one adds two transforms. */
const mostFactors = 4096;

/** The depth of the map. */
export interface AcdcShape {
  /** The number of factors A·C·D·C⁻¹. */
  readonly factors: number;
}

export interface AcdcOptions extends StructuredOptions {
  /** Whether channels are shuffled between the transforms, as in the paper. The original layer has no shuffles. Default: true. */
  readonly channelShuffle?: boolean;
}

/** The names of `AcdcOptions`. */
export const acdcOptions: OptionNames = optionNames<AcdcOptions>({ bias: true, mode: true, init: true, channelShuffle: true });

/** The column that comes to place j when the columns of a matrix are shuffled: even columns first, then odd ones. */
const shuffledColumns = (size: number): number[] => {
  const half = Math.ceil(size / 2);
  return Array.from({ length: size }, (_, j) => (j < half ? 2 * j : 2 * (j - half) + 1));
};

/** What forming W multiplies by: C and C⁻¹ of size n×n, with the columns in the order that the shuffles give them, and C⁻¹·T. */
interface ConstantMatrices {
  readonly forward: TypedArray;
  readonly inverse: TypedArray;
  /** [n, inputs]. */
  readonly first: TypedArray;
}

/** Place j of the n places copies input sources[j]. */
function constantMatrices(sources: Int32Array, inputs: number, channelShuffle: boolean, dtype: DType): ConstantMatrices {
  const n = sources.length;
  const dct = cosineMatrix(n);
  const order = channelShuffle ? shuffledColumns(n) : Array.from({ length: n }, (_, j) => j);
  const [forward, inverse] = [typedArray(dtype, n * n), typedArray(dtype, n * n)];
  const first = new Float64Array(n * inputs);
  for (let i = 0; i < n; i++) {
    for (const [j, source] of order.entries()) {
      forward[i * n + j] = dct[source * n + i]!;
      const entry = dct[i * n + source]! / ((i === 0 ? 4 : 2) * n);
      inverse[i * n + j] = entry;
      first[i * inputs + sources[j]!]! += entry;
    }
  }
  return { forward, inverse, first: typedArray(dtype, first) };
}

/**
 * W = S·K₁·K₂·…·T with K = R(R(diag(a)·C)·diag(d)·C⁻¹) (paper, §3). C is the unnormalised DCT-II matrix whose row i is the transform of
 * e_i. R is the channel shuffle of columns. T copies the input until it fills c = max(in + extra, out) places, and S adds up adjacent
 * outputs. 2·c·factors parameters. A column takes factors·(2·t(c) + 2c) multiply-adds, and the fast transform takes t(c) ≈ 2·c·log₂c for an
 * even c without a prime factor above 5. Forming W takes in·((2·factors − 1)·c² + 2·factors·c) multiply-adds: it begins with C⁻¹·T, which is
 * constant.
 * `fromDense` is a descent by L-BFGS. It finds a local optimum.
 */
export class AcdcLinear extends StructuredLinear {
  readonly name = "AcdcLinear";
  readonly layers: readonly Diagonals[];
  readonly bias: Parameter | undefined;
  readonly #size: number;
  /** Channels after the input is lengthened, before it is tiled. */
  readonly #lengthened: number;
  readonly #channelShuffle: boolean;
  /** What `toDense` multiplies by, once it was called. */
  #matrices: ConstantMatrices | undefined;

  /** @throws ConfigError unless factors is an integer from 1 to 4,096, and for outputs that neither divide nor exceed the inputs. */
  constructor(inFeatures: number, outFeatures: number, { factors }: AcdcShape, build: Build, options: AcdcOptions = {}) {
    super(inFeatures, outFeatures, options.mode);
    checkOptions("AcdcLinear", options, { ...familyOptions, ...acdcOptions });
    checkSizes("ACDC", { inFeatures, outFeatures, factors });
    if (factors > mostFactors) throw new ConfigError(`ACDC: factors must be at most ${mostFactors}, got ${factors}`);
    if (outFeatures < inFeatures && inFeatures % outFeatures !== 0)
      throw new ConfigError(`ACDC: fewer outputs must divide the inputs, got ${inFeatures} → ${outFeatures}; use another structure there`);
    refuseSpectral("ACDC", options.init ?? "reference");
    let lengthened = inFeatures;
    while (outFeatures > inFeatures && outFeatures % lengthened !== 0) lengthened++;
    this.#lengthened = lengthened;
    this.#size = Math.max(lengthened, outFeatures);
    this.#channelShuffle = options.channelShuffle ?? true;
    this.layers = Array.from({ length: factors }, () => new Diagonals(this.#size, build, options.init === "variance-preserving"));
    this.bias = options.bias ? biasParameter(outFeatures, inFeatures, build) : undefined;
  }

  override get throughput(): number {
    return 0.4;
  }

  /**
   * The paper's code counts each transform at 2.5·c·log₂c. It takes the stride for 1 where a window stands before the map, and so it counts
   * every pixel of the input there.
   */
  override paperMultiplyAdds({ input, output, windowed }: PaperPixels): number {
    const c = this.#size;
    return this.layers.length * (4 * c + 5 * c * Math.log2(c)) * (windowed ? input : output);
  }

  /** Π·z: a shuffle of the matrix's columns moves the first half of z to even places, and the second half to odd ones. */
  #shuffle(z: Tensor): Tensor {
    if (!this.#channelShuffle) return z;
    const half = Math.ceil(this.#size / 2);
    if (this.#size % 2 === 0) return transposeChannels(z, 2, half);
    const even = pad(z, [
      [0, 0],
      [0, 1],
      [0, 0],
    ]);
    return slice(transposeChannels(even, 2, half), [undefined, [0, this.#size]]);
  }

  /** The diagonal of C⁻¹ = diag(1/4c, 1/2c, …)·Cᵀ. */
  #inverseScale(like: Tensor): Tensor {
    const c = this.#size;
    return tensor(
      Array.from({ length: c }, (_, k) => 1 / ((k === 0 ? 4 : 2) * c)),
      { shape: [c, 1], dtype: like.dtype },
    );
  }

  override contract(x: Tensor): Tensor {
    const [batch, , columns] = x.shape as [number, number, number];
    const [c, lengthened] = [this.#size, this.#lengthened];
    const copies = Math.ceil(lengthened / this.inFeatures);
    const longer = lengthened === this.inFeatures ? x : slice(tile(x, [1, copies, 1]), [undefined, [0, lengthened]]);
    let z = c === lengthened ? longer : tile(longer, [1, c / lengthened, 1]);
    const scale = this.#inverseScale(x);
    // K₁·K₂·…·x: the last factor acts first.
    for (const { A, D } of this.layers.toReversed()) {
      const spectrum = cosineTransform(this.#shuffle(z), { axis: 1 });
      const filtered = multiply(reshape(multiply(D.value, scale), [1, c, 1]), spectrum);
      z = multiply(reshape(A.value, [1, c, 1]), cosineTransform(this.#shuffle(filtered), { axis: 1, transpose: true }));
    }
    if (c === this.outFeatures) return z;
    return sum(reshape(z, [batch, this.outFeatures, c / this.outFeatures, columns]), { axes: 2 });
  }

  override factorSizes(): readonly FactorSize[] {
    return this.layers.toReversed().flatMap(({ A, D }) => [D, A].map((parameter) => ({ parameter, inputs: 1, outputs: 1 })));
  }

  protected override details(): Readonly<Record<string, Described | undefined>> {
    return { factors: this.layers.length };
  }

  toDense(): Tensor {
    const c = this.#size;
    const { dtype } = this.layers[0]!.A.value;
    this.#matrices ??= constantMatrices(this.#sources(), this.inFeatures, this.#channelShuffle, dtype);
    const [forward, inverse] = [this.#matrices.forward, this.#matrices.inverse].map((values) => constantTensor(values, [c, c]));
    // From the right to the left, every product has a constant on its left side, so the gradient takes one product for each.
    let product: Tensor | undefined;
    for (const { A, D } of this.layers.toReversed()) {
      const spectrum = product === undefined ? constantTensor(this.#matrices.first, [c, this.inFeatures]) : matmul(inverse!, product);
      product = multiply(A.value, matmul(forward!, multiply(D.value, spectrum)));
    }
    if (c === this.outFeatures) return product!;
    return sum(reshape(product!, [this.outFeatures, c / this.outFeatures, this.inFeatures]), { axes: 1 });
  }

  /** The input that each of the c places copies. */
  #sources(): Int32Array {
    return Int32Array.from({ length: this.#size }, (_, j) => (j % this.#lengthened) % this.inFeatures);
  }

  override fromDense(target: Matrix): void {
    const size = this.#size;
    const places = this.#channelShuffle ? shuffledColumns(size) : undefined;
    const form = { size, factors: this.layers.length, sources: this.#sources(), places };
    const { diagonals } = nearestAcdc(target, form, { random: new Random(0) });
    for (const [k, { A, D }] of this.layers.entries()) {
      A.write(diagonals[k]!.a);
      D.write(diagonals[k]!.d);
    }
  }

  override contractionCost(): Work {
    const c = this.#size;
    return { multiplyAdds: this.layers.length * (2 * cosineTransformMultiplyAdds(c) + 2 * c), perCall: this.layers.length * c };
  }

  denseCost(): number {
    const [c, factors] = [this.#size, this.layers.length];
    return this.inFeatures * (factors * 2 * c + (2 * factors - 1) * c ** 2);
  }
}

/** `ACDC_n` has n − 1 factors in the paper's code, and `ACDC` alone is `ACDC_12` (docs/faithfulness.md). */
const acdcRecord = <const Kind extends string>(
  kind: Kind,
  { title, channelShuffle, bench = [] }: { readonly title: string; readonly channelShuffle: boolean; readonly bench?: readonly number[] },
): StructuredFamily<Kind, "factors"> => ({
  kind,
  title,
  parameters: [whole("factors", { default: 11, writesDefault: true, textOffset: 1, most: mostFactors })],
  budget: searchRank("factors", { refusesSmallValues: false }),
  wrapper: { refusesBias: true },
  examples: { inspect: { kind, factors: 8 }, bench: bench.map((factors) => ({ kind, factors })) },
  linear: (spec, inFeatures, outFeatures, build, options) =>
    new AcdcLinear(inFeatures, outFeatures, spec, build, { ...options, channelShuffle }),
});

export const acdcFamily = acdcRecord("ACDC", { title: "ACDC", channelShuffle: true, bench: [2, 14] });
/** The paper's code builds the same layer under this name. */
export const originalAcdcFamily = acdcRecord("OriginalACDC", { title: "ACDC (original)", channelShuffle: true });
export const plainAcdcFamily = acdcRecord("PlainACDC", { title: "ACDC without shuffles", channelShuffle: false });
