/** Block Tensor-Train (Qiu et al. 2024, arXiv 2406.06248): two block-diagonal maps with a permutation between them. */

import { nearestDivisor } from "../core/factors.ts";
import { checkOptions, type OptionNames, optionNames } from "../core/options.ts";
import { sizeOf } from "../core/shape.ts";
import { frobenius, type Matrix } from "../linalg/matrix.ts";
import { type MonarchShape, monarchSpectrum, nearestMonarch } from "../linalg/monarch.ts";
import { ErrorBudget } from "../linalg/truncation.ts";
import type { Described } from "../nn/describe.ts";
import { type Build, constant } from "../nn/init.ts";
import { Parameter } from "../nn/state.ts";
import type { Stage } from "../ops/contract-channels.ts";
import { einsum, einsumMultiplyAdds } from "../ops/einsum.ts";
import { reshape } from "../ops/reshape.ts";
import { limitedNorm } from "../ops/weight-norm.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { biasParameter, deviation, factor, normalMatrix, variancePreserving } from "./factor.ts";
import { familyOptions, type StructuredFamily, searchRank, whole } from "./family.ts";
import { type FromDenseOptions, prepareFromDense, withBias } from "./from-dense.ts";
import { checkDivisor, checkRank, checkSizes } from "./sizes.ts";
import { type FactorSize, StructuredLinear, type StructuredOptions, type Work } from "./structured-linear.ts";

const denseEquation = "jlka,kjai->ljki";

/** The rank of each block, and the numbers of blocks. */
export interface BlockTensorTrainShape {
  /** The rank r of each pair of blocks. */
  readonly rank: number;
  /** The number b of blocks of the first factor, a divisor of in. Default: the one nearest to √in. */
  readonly blocks?: number;
  /** The number q of blocks of the second factor, a divisor of out. Default: the one nearest to √out. */
  readonly middle?: number;
}

export interface BlockTensorTrainOptions extends StructuredOptions {
  /**
   * Whether each factor F is used as γ·F/max(1, RMS(F)/σ), where σ is the deviation of its initial numbers and γ is learned
   * (arXiv 2410.02117, §4). So no factor grows beyond its γ. Default: false.
   */
  readonly weightNorm?: boolean;
}

/** The names of `BlockTensorTrainOptions`. */
export const blockTensorTrainOptions: OptionNames = optionNames<BlockTensorTrainOptions>({
  bias: true,
  mode: true,
  init: true,
  weightNorm: true,
});

export type BlockTensorTrainFromDense = FromDenseOptions & Omit<BlockTensorTrainShape, "rank">;

/** Numbers of blocks near the square roots of the sides. A square map of D features then has 2·r·D^1.5 parameters, as in the paper. */
const squareBlocks = (inFeatures: number, outFeatures: number): Pick<MonarchShape, "blocks" | "middle"> => ({
  blocks: nearestDivisor(inFeatures, Math.sqrt(inFeatures)),
  middle: nearestDivisor(outFeatures, Math.sqrt(outFeatures)),
});

/**
 * W[l·q + j, k·s + i] = Σ_a L[j,l,k,a]·R[k,j,a,i] with j < q, k < b, a < r.
 * r·(q·in + b·out) parameters and multiply-adds per column, which is 2·r·D^1.5 for a square map with q = b = √D.
 * `fromDense` is one truncated SVD for each (j, k). The result is the nearest such matrix.
 */
export class BlockTensorTrainLinear extends StructuredLinear {
  readonly name: string = "BlockTensorTrainLinear";
  readonly left: Parameter;
  readonly right: Parameter;
  /** γ of each factor, for a map with weight normalisation. */
  readonly left_gain?: Parameter;
  readonly right_gain?: Parameter;
  readonly bias: Parameter | undefined;
  readonly shape: Required<MonarchShape>;

  /** @throws ConfigError for blocks that do not divide in, a middle that does not divide out, and a rank above either side of a block. */
  constructor(inFeatures: number, outFeatures: number, shape: BlockTensorTrainShape, build: Build, options: BlockTensorTrainOptions = {}) {
    super(inFeatures, outFeatures, options.mode);
    checkOptions("BlockTensorTrainLinear", options, { ...familyOptions, ...blockTensorTrainOptions });
    this.shape = checkedShape("BlockTensorTrainLinear", inFeatures, outFeatures, shape);
    const { blocks, middle, rank } = this.shape;
    const [inner, outer] = [inFeatures / blocks, outFeatures / middle];
    this.left = factor(variancePreserving([middle, outer, blocks, rank], blocks * rank, outer, build), "brcc");
    this.right = factor(variancePreserving([blocks, middle, rank, inner], inner, middle * rank, build), "brrc");
    if (options.weightNorm) {
      this.left_gain = new Parameter(constant([1], 1, build));
      this.right_gain = new Parameter(constant([1], 1, build));
    }
    this.bias = options.bias ? biasParameter(outFeatures, inFeatures, build) : undefined;
    if (options.init === "spectral") this.fromDense(normalMatrix(outFeatures, inFeatures, build));
  }

  /**
   * The map of the smallest rank whose relative error is at most the tolerance. No map of a smaller rank with these blocks is as near.
   * @throws ConfigError for a tolerance out of range, and for blocks that do not divide W.
   */
  static fromDense(target: Matrix, options: BlockTensorTrainFromDense): BlockTensorTrainLinear {
    const { tolerance, build, options: own } = prepareFromDense("BlockTensorTrainLinear", target, options);
    const { blocks, middle } = checkedShape("BlockTensorTrainLinear", target.columns, target.rows, { ...options, rank: 1 });
    const rank = new ErrorBudget(target.data, tolerance).spend(monarchSpectrum(target, { blocks, middle }), 1);
    const map = new BlockTensorTrainLinear(target.columns, target.rows, { blocks, middle, rank }, build, own);
    map.fromDense(target);
    return withBias(map, options);
  }

  /** The factors as they are used: as they are, or normalised. */
  #used(): { left: Tensor; right: Tensor } {
    const [right, left] = this.factorSizes().map(({ parameter, inputs, outputs }) => {
      const gain = parameter === this.left ? this.left_gain : this.right_gain;
      if (gain === undefined) return parameter.value;
      return limitedNorm(parameter.value, gain.value, 1 / (sizeOf(parameter.shape) * deviation(inputs, outputs) ** 2));
    });
    return { left: left!, right: right! };
  }

  override stages(): readonly Stage[] {
    const { left, right } = this.#used();
    return [
      ["kjai,ki->kja", right],
      ["jlka,kja->lj", left],
    ];
  }

  override factorSizes(): readonly FactorSize[] {
    const { blocks, middle, rank } = this.shape;
    return [
      { parameter: this.right, inputs: this.inFeatures / blocks, outputs: middle * rank },
      { parameter: this.left, inputs: blocks * rank, outputs: this.outFeatures / middle },
    ];
  }

  protected override details(): Readonly<Record<string, Described | undefined>> {
    return { ...this.shape };
  }

  toDense(): Tensor {
    const { left, right } = this.#used();
    return reshape(einsum(denseEquation, left, right), [this.outFeatures, this.inFeatures]);
  }

  /** The multiply-adds of the normalisation: each factor is squared and scaled, and its mean square is scaled. */
  #normalising(): number {
    return this.left_gain === undefined ? 0 : 2 * (this.left.value.size + this.right.value.size + 1);
  }

  override contractionCost(): Work {
    const { blocks, middle, rank } = this.shape;
    return { multiplyAdds: rank * (middle * this.inFeatures + blocks * this.outFeatures), perCall: this.#normalising() };
  }

  denseCost(): number {
    return einsumMultiplyAdds(denseEquation, this.left.value, this.right.value) + this.#normalising();
  }

  override fromDense(target: Matrix): void {
    const { left, right } = nearestMonarch(target, this.shape);
    this.left.write(left.data);
    this.right.write(right.data);
    for (const { parameter, inputs, outputs } of this.factorSizes()) {
      const { data } = parameter === this.left ? left : right;
      const rms = frobenius(data) / Math.sqrt(data.length);
      (parameter === this.left ? this.left_gain : this.right_gain)?.write([Math.max(1, rms / deviation(inputs, outputs))]);
    }
  }
}

/** @throws ConfigError for blocks that do not divide the sizes, and for a rank out of range. */
function checkedShape(name: string, inFeatures: number, outFeatures: number, shape: BlockTensorTrainShape): Required<MonarchShape> {
  checkSizes(name, { inFeatures, outFeatures });
  const usual = squareBlocks(inFeatures, outFeatures);
  const { rank, blocks = usual.blocks, middle = usual.middle } = shape;
  checkDivisor(name, "blocks", blocks, inFeatures, "the inputs");
  checkDivisor(name, "middle", middle, outFeatures, "the outputs");
  const [inner, outer] = [inFeatures / blocks, outFeatures / middle];
  checkRank(name, "rank", rank, Math.min(inner, outer), `a block has in/blocks = ${inner} inputs and out/middle = ${outer} outputs`);
  return { blocks, middle, rank };
}

/** `NormedBlockTensorTrain` has weight normalisation. */
const blockTensorTrainRecord = <const Kind extends string>(
  kind: Kind,
  { title, weightNorm, bench }: { readonly title: string; readonly weightNorm: boolean; readonly bench: readonly number[] },
): StructuredFamily<Kind, "rank"> => ({
  kind,
  title,
  parameters: [whole("rank")],
  budget: searchRank("rank"),
  examples: { inspect: { kind, rank: 1 }, bench: bench.map((rank) => ({ kind, rank })) },
  // One spec serves layers of all sizes, so small layers have a smaller rank.
  linear: ({ rank }, inFeatures, outFeatures, build, options) => {
    const { blocks, middle } = squareBlocks(inFeatures, outFeatures);
    const lowered = Math.min(rank, inFeatures / blocks, outFeatures / middle);
    return new BlockTensorTrainLinear(inFeatures, outFeatures, { blocks, middle, rank: lowered }, build, { ...options, weightNorm });
  },
});

export const blockTensorTrainFamily = blockTensorTrainRecord("BlockTensorTrain", {
  title: "Block Tensor-Train",
  weightNorm: false,
  bench: [2],
});
export const normedBlockTensorTrainFamily = blockTensorTrainRecord("NormedBlockTensorTrain", {
  title: "Block Tensor-Train, normalised",
  weightNorm: true,
  bench: [],
});
