/** Monarch matrices (Dao et al. 2022, arXiv 2204.00595): block-diagonal, permutation, block-diagonal. */

import { divisors } from "../core/factors.ts";
import { checkOptions } from "../core/options.ts";
import type { Build } from "../nn/init.ts";
import { BlockTensorTrainLinear } from "./block-tensor-train.ts";
import { defineFamily, familyOptions, searchGroups, whole } from "./family.ts";
import { checkSizes, type StructuredOptions } from "./structured-linear.ts";

/** The largest divisor of `size` that is at most `wanted`. */
const lowered = (size: number, wanted: number): number =>
  divisors(size)
    .filter((d) => d <= wanted)
    .at(-1)!;

/**
 * M = Pᵀ·L·P·R (their definition 3.1) with `blocks` blocks in R and in L, the space between as wide as the narrower side.
 * 2·D²/blocks parameters and multiply-adds per column for a square map. Entry by entry, it is a block tensor train whose rank fills the middle:
 * r = min(in, out)/blocks². `blocks` is lowered to a divisor of either side. `fromDense`: their algorithm 1.
 */
export class MonarchLinear extends BlockTensorTrainLinear {
  override readonly name = "MonarchLinear";
  /** @throws ConfigError unless blocks is an integer ≥ 1. */
  constructor(inFeatures: number, outFeatures: number, blocks: number, build: Build, options: StructuredOptions = {}) {
    checkOptions("MonarchLinear", options, familyOptions);
    checkSizes("Monarch", { inFeatures, outFeatures, blocks });
    const [first, second] = [lowered(inFeatures, blocks), lowered(outFeatures, blocks)];
    const rank = Math.max(1, Math.round(Math.min(inFeatures, outFeatures) / (first * second)));
    super(inFeatures, outFeatures, { blocks: first, middle: second, rank }, build, options);
  }
}

export const monarchFamily = defineFamily({
  kind: "Monarch",
  parameters: [whole("blocks")],
  budget: searchGroups("blocks"),
  examples: { inspect: { kind: "Monarch", blocks: 8 }, bench: [{ kind: "Monarch", blocks: 8 }] },
  linear: ({ blocks }, inFeatures, outFeatures, build, options) => new MonarchLinear(inFeatures, outFeatures, blocks, build, options),
});
