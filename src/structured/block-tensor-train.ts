/** Block Tensor-Train (Qiu et al. 2024, arXiv 2406.06248): two block-diagonal maps of rank r a block, a permutation between. */

import { nearestDivisor } from "../core/factors.ts";
import type { Matrix } from "../linalg/matrix.ts";
import { type MonarchShape, nearestMonarch } from "../linalg/monarch.ts";
import type { Described } from "../nn/describe.ts";
import type { Build } from "../nn/init.ts";
import type { Parameter } from "../nn/state.ts";
import { einsum, einsumMultiplyAdds } from "../ops/einsum.ts";
import { reshape } from "../ops/reshape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { biasParameter, factor, normalMatrix, variancePreserving } from "./factor.ts";
import { defineFamily, searchRank, whole } from "./family.ts";
import { mixChannels, transposeChannels } from "./mix-channels.ts";
import { checkSizes, StructuredLinear, type StructuredOptions, type Work } from "./structured-linear.ts";

const denseEquation = "jlka,kjai->ljki";

/** Blocks near the square root of either side, where the count 2·r·D^1.5 of the paper is reached. */
export const squareBlocks = (inFeatures: number, outFeatures: number, rank: number): MonarchShape => ({
  blocks: nearestDivisor(inFeatures, Math.sqrt(inFeatures)),
  middle: nearestDivisor(outFeatures, Math.sqrt(outFeatures)),
  rank,
});

/**
 * W[l·q + j, k·s + i] = Σ_a L[j,l,k,a]·R[k,j,a,i] with j < q, k < b, a < r.
 * r·(q·in + b·out) parameters and multiply-adds per column; 2·r·D^1.5 for a square map with q = b = √D.
 * `fromDense`: one truncated SVD for each (j, k), the nearest such matrix.
 */
export class BlockTensorTrainLinear extends StructuredLinear {
  readonly name: string = "BlockTensorTrainLinear";
  readonly left: Parameter;
  readonly right: Parameter;
  readonly bias: Parameter | undefined;
  readonly shape: Required<MonarchShape>;

  /** @throws ConfigError unless `blocks` divides in, `middle` out, and rank ≥ 1. */
  constructor(
    inFeatures: number,
    outFeatures: number,
    { blocks, middle, rank = 1 }: MonarchShape,
    build: Build,
    options: StructuredOptions = {},
  ) {
    super(inFeatures, outFeatures, options.mode);
    const [inner, outer] = [inFeatures / blocks, outFeatures / middle];
    checkSizes("BlockTensorTrain", { inFeatures, outFeatures, blocks, middle, rank, "in/blocks": inner, "out/middle": outer });
    // More than the smaller side of a block adds parameters, not matrices.
    const kept = Math.min(rank, inner, outer);
    this.shape = { blocks, middle, rank: kept };
    this.left = factor(variancePreserving([middle, outer, blocks, kept], blocks * kept, outer, build));
    this.right = factor(variancePreserving([blocks, middle, kept, inner], inner, middle * kept, build));
    this.bias = options.bias ? biasParameter(outFeatures, inFeatures, build) : undefined;
    if (options.init === "spectral") this.fromDense(normalMatrix(outFeatures, inFeatures, build));
  }

  override contract(x: Tensor): Tensor {
    const [batch, , columns] = x.shape as [number, number, number];
    const { blocks, middle, rank } = this.shape;
    const inner = mixChannels(x, reshape(this.right.value, [blocks * middle * rank, this.inFeatures / blocks]), blocks);
    // (k, j, a) to (j, k, a): the rank travels with its column.
    const dealt = transposeChannels(reshape(inner, [batch, blocks * middle, rank * columns]), blocks, middle);
    const outer = reshape(this.left.value, [this.outFeatures, blocks * rank]);
    const y = mixChannels(reshape(dealt, [batch, middle * blocks * rank, columns]), outer, middle);
    return transposeChannels(y, middle, this.outFeatures / middle);
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

export const blockTensorTrainFamily = defineFamily({
  kind: "BlockTensorTrain",
  title: "Block Tensor-Train",
  parameters: [whole("rank")],
  budget: searchRank("rank"),
  examples: { inspect: { kind: "BlockTensorTrain", rank: 1 }, bench: [{ kind: "BlockTensorTrain", rank: 2 }] },
  linear: ({ rank }, inFeatures, outFeatures, build, options) =>
    new BlockTensorTrainLinear(inFeatures, outFeatures, squareBlocks(inFeatures, outFeatures, rank), build, options),
});
