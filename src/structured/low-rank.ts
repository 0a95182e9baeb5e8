/** `Generic_x`: the low-rank bottleneck, and `LR_x`: the same with both factors tied. */

import { ConfigError } from "../core/errors.ts";
import { lowRank } from "../linalg/low-rank.ts";
import type { Matrix } from "../linalg/matrix.ts";
import type { Described } from "../nn/describe.ts";
import type { Build } from "../nn/init.ts";
import type { Parameter } from "../nn/state.ts";
import { transpose } from "../ops/layout.ts";
import { matmul } from "../ops/matmul.ts";
import { reshape } from "../ops/reshape.ts";
import { sum } from "../ops/sum-and-broadcast.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { normalMatrix, PointwiseFactor } from "./factor.ts";
import { defineFamily, positive, searchScale } from "./family.ts";
import { mixChannels } from "./mix-channels.ts";
import { checkSizes, type PaperPixels, StructuredLinear, type StructuredOptions, type Work } from "./structured-linear.ts";

/** ⌊scale·max(in, out)⌋, the paper's rank. @throws ConfigError when that is 0. */
export function rankOf(name: string, scale: number, inFeatures: number, outFeatures: number): number {
  const rank = Math.floor(scale * Math.max(inFeatures, outFeatures));
  if (!(rank >= 1))
    throw new ConfigError(
      `${name}: ⌊scale·max(in, out)⌋ must be at least 1, got ⌊${scale}·${Math.max(inFeatures, outFeatures)}⌋ = ${rank}; raise the scale`,
    );
  return rank;
}

const flat = (w: Tensor): Tensor => reshape(w, w.shape.slice(0, 2));

/**
 * W = E·C (paper, §3; "Generic"), C:[r,in] contracts, E:[out,r] expands.   r·(in + out) parameters and multiply-adds per column.
 * `fromDense`: the truncated SVD (Eckart & Young 1936).
 */
export class LowRankLinear extends StructuredLinear {
  readonly name = "LowRankLinear";
  readonly lowrank_contract: PointwiseFactor;
  readonly lowrank_expand: PointwiseFactor;

  /** @throws ConfigError unless rank ≥ 1. */
  constructor(inFeatures: number, outFeatures: number, rank: number, build: Build, options: StructuredOptions = {}) {
    super(inFeatures, outFeatures, options.mode);
    checkSizes("LowRankLinear", { inFeatures, outFeatures, rank });
    this.lowrank_contract = new PointwiseFactor(rank, inFeatures, build, options.init);
    this.lowrank_expand = new PointwiseFactor(outFeatures, rank, build, options.init, options.bias);
    if (options.init === "spectral") this.fromDense(normalMatrix(outFeatures, inFeatures, build));
  }

  override get bias(): Parameter | undefined {
    return this.lowrank_expand.bias;
  }

  get rank(): number {
    return this.lowrank_contract.weight.shape[0]!;
  }

  override contract(x: Tensor): Tensor {
    return mixChannels(mixChannels(x, this.lowrank_contract.weight.value), this.lowrank_expand.weight.value);
  }

  protected override details(): Readonly<Record<string, Described | undefined>> {
    return { rank: this.lowrank_contract.weight.shape[0] };
  }

  toDense(): Tensor {
    return matmul(flat(this.lowrank_expand.weight.value), flat(this.lowrank_contract.weight.value));
  }

  override contractionCost(): Work {
    return { multiplyAdds: this.rank * (this.inFeatures + this.outFeatures), perCall: 0 };
  }

  denseCost(): number {
    return this.rank * this.inFeatures * this.outFeatures;
  }

  override fromDense(target: Matrix): void {
    const { left, right } = lowRank(target, this.rank);
    // A rank beyond the matrix's own leaves factors with rows and columns of zeros.
    const kept = left.columns;
    const expand = new Float64Array(this.outFeatures * this.rank);
    const contract = new Float64Array(this.rank * this.inFeatures);
    for (let o = 0; o < this.outFeatures; o++) expand.set(left.data.subarray(o * kept, (o + 1) * kept), o * this.rank);
    contract.set(right.data);
    this.lowrank_expand.weight.write(expand);
    this.lowrank_contract.weight.write(contract);
  }
}

/**
 * W = Vᵀ·V·T (paper's code, "LR"): V:[r,out] tied, T stacks out/in copies of the input.   r·out parameters.
 * V·T is V's column blocks added up, so a column costs r·(in + out) multiply-adds.
 */
export class TiedLowRankLinear extends StructuredLinear {
  readonly name = "TiedLowRankLinear";
  readonly lowrank: PointwiseFactor;

  /** @throws ConfigError unless rank ≥ 1 and `out` is a multiple of `in`; a bias is refused too, as the map is its own transpose on both sides. */
  constructor(
    inFeatures: number,
    outFeatures: number,
    rank: number,
    build: Build,
    { bias = false, mode, init = "reference" }: StructuredOptions = {},
  ) {
    super(inFeatures, outFeatures, mode);
    checkSizes("TiedLowRankLinear", { inFeatures, outFeatures, rank });
    if (outFeatures % inFeatures !== 0)
      throw new ConfigError(`LR: the outputs must be a multiple of the inputs, got ${inFeatures} → ${outFeatures}; use Generic_x there`);
    if (bias) throw new ConfigError("LR: the tied map has no bias, got bias: true; leave it out");
    if (init === "spectral") throw new ConfigError("LR: a tied map has no best approximation to start from, got init spectral");
    this.lowrank = new PointwiseFactor(rank, outFeatures, build, init);
  }

  get rank(): number {
    return this.lowrank.weight.shape[0]!;
  }

  get bias(): undefined {
    return undefined;
  }

  /** The paper's code tiles the input to the number of outputs before both products. */
  override paperMultiplyAdds({ output }: PaperPixels): number {
    return 2 * this.outFeatures * this.rank * output;
  }

  /** V·T:[r,in]. */
  #folded(): Tensor {
    const { rank, inFeatures, outFeatures } = this;
    return sum(reshape(this.lowrank.weight.value, [rank, outFeatures / inFeatures, inFeatures]), { axes: 1 });
  }

  override contract(x: Tensor): Tensor {
    return mixChannels(mixChannels(x, this.#folded()), transpose(flat(this.lowrank.weight.value)));
  }

  protected override details(): Readonly<Record<string, Described | undefined>> {
    return { rank: this.lowrank.weight.shape[0] };
  }

  /** Vᵀ·V:[out,out] first, then T: the formula from left to right. */
  toDense(): Tensor {
    const v = flat(this.lowrank.weight.value);
    const square = matmul(v, v, { transposeA: true });
    return sum(reshape(square, [this.outFeatures, this.outFeatures / this.inFeatures, this.inFeatures]), { axes: 1 });
  }

  override contractionCost(): Work {
    return { multiplyAdds: this.rank * (this.inFeatures + this.outFeatures), perCall: 0 };
  }

  denseCost(): number {
    return this.rank * this.outFeatures ** 2;
  }
}

export const lowRankFamily = defineFamily({
  kind: "Generic",
  title: "Low rank",
  alias: "low-rank",
  parameters: [positive("scale")],
  budget: searchScale("scale", 4),
  wrapper: { dropsPadding: true },
  examples: { inspect: { kind: "Generic", scale: 0.125 }, bench: [{ kind: "Generic", scale: 0.1 }] },
  linear: ({ scale }, inFeatures, outFeatures, build, options) =>
    new LowRankLinear(inFeatures, outFeatures, rankOf("Generic", scale, inFeatures, outFeatures), build, options),
});

export const tiedLowRankFamily = defineFamily({
  kind: "LR",
  title: "Tied low rank",
  alias: "tied-low-rank",
  parameters: [positive("scale")],
  budget: searchScale("scale", 4),
  wrapper: { dropsPadding: true },
  examples: { inspect: { kind: "LR", scale: 0.25 }, bench: [{ kind: "LR", scale: 0.1 }] },
  linear: ({ scale }, inFeatures, outFeatures, build, options) =>
    new TiedLowRankLinear(inFeatures, outFeatures, rankOf("LR", scale, inFeatures, outFeatures), build, options),
});
