/** Monarch matrices (Dao et al. 2022, arXiv 2204.00595): two block-diagonal matrices with a permutation between them. */

import { checkOptions } from "../core/options.ts";
import { frobenius, type Matrix } from "../linalg/matrix.ts";
import { monarchSpectrum } from "../linalg/monarch.ts";
import type { Build } from "../nn/init.ts";
import { BlockTensorTrainLinear } from "./block-tensor-train.ts";
import { defineFamily, familyOptions, searchGroups, whole } from "./family.ts";
import { type FromDenseOptions, prepareFromDense, withBias } from "./from-dense.ts";
import { checkDivisor, checkSizes, loweredDivisor } from "./sizes.ts";
import type { StructuredOptions } from "./structured-linear.ts";

/** The numbers of diagonal blocks of the two factors. */
export interface MonarchBlocks {
  /** The number of blocks of R, a divisor of in. */
  readonly blocks: number;
  /** The number of blocks of L, a divisor of out. Default: `blocks`. */
  readonly middle?: number;
}

/** One spec serves layers of all sizes, so the number of blocks is lowered to a divisor of either side. */
const loweredBlocks = (inFeatures: number, outFeatures: number, blocks: number): Required<MonarchBlocks> => ({
  blocks: loweredDivisor(inFeatures, blocks),
  middle: loweredDivisor(outFeatures, blocks),
});

/** The rank that fills the space between the factors. */
const fillingRank = (inFeatures: number, outFeatures: number, { blocks, middle }: Required<MonarchBlocks>): number =>
  Math.max(1, Math.round(Math.min(inFeatures, outFeatures) / (blocks * middle)));

/**
 * M = Pᵀ·L·P·R (their definition 3.1) with `blocks` blocks in R and in L. The space between is as wide as the narrower side.
 * 2·D²/blocks parameters and multiply-adds per column for a square map. Entry by entry it is a block tensor train whose rank fills the
 * middle: r = min(in, out)/blocks². `fromDense` is their algorithm 1.
 */
export class MonarchLinear extends BlockTensorTrainLinear {
  override readonly name = "MonarchLinear";
  /** @throws ConfigError for blocks that do not divide in, and for a middle that does not divide out. */
  constructor(inFeatures: number, outFeatures: number, shape: MonarchBlocks, build: Build, options: StructuredOptions = {}) {
    checkOptions("MonarchLinear", options, familyOptions);
    checkSizes("MonarchLinear", { inFeatures, outFeatures });
    const { blocks, middle = blocks } = shape;
    checkDivisor("MonarchLinear", "blocks", blocks, inFeatures, "the inputs");
    checkDivisor("MonarchLinear", "middle", middle, outFeatures, "the outputs");
    super(inFeatures, outFeatures, { blocks, middle, rank: fillingRank(inFeatures, outFeatures, { blocks, middle }) }, build, options);
  }

  /**
   * The map with the fewest parameters whose relative error is at most the tolerance, among those that `Monarch_1`, `Monarch_2`, … make.
   * More blocks need not mean a larger error, so the numbers of blocks are tried one by one, from the fewest parameters on. One block is
   * exact.
   * @throws ConfigError for a tolerance out of range.
   */
  static override fromDense(target: Matrix, options: FromDenseOptions): MonarchLinear {
    const { tolerance, build, options: own } = prepareFromDense("MonarchLinear", target, options);
    const { rows, columns } = target;
    const candidates = Array.from({ length: Math.max(rows, columns) }, (_, i) => loweredBlocks(columns, rows, i + 1)).map((shape) => {
      const rank = fillingRank(columns, rows, shape);
      return { shape, rank, parameters: rank * (shape.middle * columns + shape.blocks * rows) };
    });
    candidates.sort((a, b) => a.parameters - b.parameters);
    const lost = tolerance * frobenius(target.data);
    const { shape } = candidates.find(({ shape, rank }) => frobenius(monarchSpectrum(target, shape).subarray(rank)) <= lost)!;
    const map = new MonarchLinear(columns, rows, shape, build, own);
    map.fromDense(target);
    return withBias(map, options);
  }
}

export const monarchFamily = defineFamily({
  kind: "Monarch",
  parameters: [whole("blocks")],
  budget: searchGroups("blocks"),
  examples: { inspect: { kind: "Monarch", blocks: 8 }, bench: [{ kind: "Monarch", blocks: 8 }] },
  linear: ({ blocks }, inFeatures, outFeatures, build, options) =>
    new MonarchLinear(inFeatures, outFeatures, loweredBlocks(inFeatures, outFeatures, blocks), build, options),
});
