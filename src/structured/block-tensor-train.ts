/** Block Tensor-Train (Qiu et al. 2024, arXiv 2406.06248): two block-diagonal maps with a permutation between them. */

import { nearestDivisor } from "../core/factors.ts";
import { checkOptions } from "../core/options.ts";
import type { Matrix } from "../linalg/matrix.ts";
import { type MonarchShape, monarchSpectrum, nearestMonarch } from "../linalg/monarch.ts";
import { ErrorBudget } from "../linalg/truncation.ts";
import type { Described } from "../nn/describe.ts";
import type { Build } from "../nn/init.ts";
import type { Parameter } from "../nn/state.ts";
import type { Stage } from "../ops/contract-channels.ts";
import { einsum, einsumMultiplyAdds } from "../ops/einsum.ts";
import { reshape } from "../ops/reshape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { biasParameter, factor, normalMatrix, variancePreserving } from "./factor.ts";
import { defineFamily, familyOptions, searchRank, whole } from "./family.ts";
import { type FromDenseOptions, prepareFromDense, withBias } from "./from-dense.ts";
import { checkDivisor, checkRank, checkSizes } from "./sizes.ts";
import { StructuredLinear, type StructuredOptions, type Work } from "./structured-linear.ts";

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
  readonly bias: Parameter | undefined;
  readonly shape: Required<MonarchShape>;

  /** @throws ConfigError for blocks that do not divide in, a middle that does not divide out, and a rank above either side of a block. */
  constructor(inFeatures: number, outFeatures: number, shape: BlockTensorTrainShape, build: Build, options: StructuredOptions = {}) {
    super(inFeatures, outFeatures, options.mode);
    checkOptions("BlockTensorTrainLinear", options, familyOptions);
    this.shape = checkedShape("BlockTensorTrainLinear", inFeatures, outFeatures, shape);
    const { blocks, middle, rank } = this.shape;
    const [inner, outer] = [inFeatures / blocks, outFeatures / middle];
    this.left = factor(variancePreserving([middle, outer, blocks, rank], blocks * rank, outer, build));
    this.right = factor(variancePreserving([blocks, middle, rank, inner], inner, middle * rank, build));
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

  override stages(): readonly Stage[] {
    return [
      ["kjai,ki->kja", this.right.value],
      ["jlka,kja->lj", this.left.value],
    ];
  }

  protected override details(): Readonly<Record<string, Described | undefined>> {
    return { ...this.shape };
  }

  toDense(): Tensor {
    return reshape(einsum(denseEquation, this.left.value, this.right.value), [this.outFeatures, this.inFeatures]);
  }

  override contractionCost(): Work {
    const { blocks, middle, rank } = this.shape;
    return { multiplyAdds: rank * (middle * this.inFeatures + blocks * this.outFeatures), perCall: 0 };
  }

  denseCost(): number {
    return einsumMultiplyAdds(denseEquation, this.left.value, this.right.value);
  }

  override fromDense(target: Matrix): void {
    const { left, right } = nearestMonarch(target, this.shape);
    this.left.write(left.data);
    this.right.write(right.data);
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

export const blockTensorTrainFamily = defineFamily({
  kind: "BlockTensorTrain",
  title: "Block Tensor-Train",
  parameters: [whole("rank")],
  budget: searchRank("rank"),
  examples: { inspect: { kind: "BlockTensorTrain", rank: 1 }, bench: [{ kind: "BlockTensorTrain", rank: 2 }] },
  // One spec serves layers of all sizes, so small layers have a smaller rank.
  linear: ({ rank }, inFeatures, outFeatures, build, options) => {
    const { blocks, middle } = squareBlocks(inFeatures, outFeatures);
    const lowered = Math.min(rank, inFeatures / blocks, outFeatures / middle);
    return new BlockTensorTrainLinear(inFeatures, outFeatures, { blocks, middle, rank: lowered }, build, options);
  },
});
