/** Low rank: `Generic_x` has two factors, and `LR_x` has one factor that acts twice. */

import { ConfigError } from "../core/errors.ts";
import { checkOptions } from "../core/options.ts";
import { type LowRank, lowRank, truncated } from "../linalg/low-rank.ts";
import type { Matrix } from "../linalg/matrix.ts";
import { svd } from "../linalg/svd.ts";
import { nearestTiedLowRank } from "../linalg/tied-low-rank.ts";
import { ErrorBudget } from "../linalg/truncation.ts";
import type { Described } from "../nn/describe.ts";
import type { Build } from "../nn/init.ts";
import type { Parameter } from "../nn/state.ts";
import type { Stage } from "../ops/contract-channels.ts";
import { matmul } from "../ops/matmul.ts";
import { reshape } from "../ops/reshape.ts";
import { sum } from "../ops/sum-and-broadcast.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { biasParameter, normalMatrix, PointwiseFactor } from "./factor.ts";
import { defineFamily, familyOptions, positive, searchScale } from "./family.ts";
import { type FromDenseOptions, prepareFromDense, withBias } from "./from-dense.ts";
import { checkRank, checkSizes } from "./sizes.ts";
import { type FactorSize, type PaperPixels, StructuredLinear, type StructuredOptions, type Work } from "./structured-linear.ts";

/** ⌊scale·max(in, out)⌋, the paper's rank. @throws ConfigError when that is 0. */
export function rankOf(name: string, scale: number, inFeatures: number, outFeatures: number): number {
  const rank = Math.floor(scale * Math.max(inFeatures, outFeatures));
  if (!(rank >= 1))
    throw new ConfigError(
      `${name}: ⌊scale·max(in, out)⌋ must be at least 1, got ⌊${scale}·${Math.max(inFeatures, outFeatures)}⌋ = ${rank}; raise the scale`,
    );
  return rank;
}

/** The rank, or the scale of the paper's rule. */
export type LowRankShape =
  | {
      /** The rank r. */
      readonly rank: number;
    }
  | {
      /** The rank ⌊scale·max(in, out)⌋, as in the paper's code, which allows more than the sides of W. */
      readonly scale: number;
    };

const flat = (w: Tensor): Tensor => reshape(w, w.shape.slice(0, 2));

/**
 * W = E·C with C:[r,in] and E:[out,r] (paper, §3, "Generic").   r·(in + out) parameters and multiply-adds per column.
 * `fromDense` is the truncated SVD. The result is the nearest such matrix (Eckart & Young 1936).
 */
export class LowRankLinear extends StructuredLinear {
  readonly name = "LowRankLinear";
  readonly lowrank_contract: PointwiseFactor;
  readonly lowrank_expand: PointwiseFactor;

  /** @throws ConfigError unless the rank is an integer from 1 to min(in, out), or the scale gives a rank ≥ 1. */
  constructor(inFeatures: number, outFeatures: number, shape: LowRankShape, build: Build, options: StructuredOptions = {}) {
    super(inFeatures, outFeatures, options.mode);
    checkOptions("LowRankLinear", options, familyOptions);
    checkSizes("LowRankLinear", { inFeatures, outFeatures });
    const rank = "rank" in shape ? shape.rank : rankOf("Generic", shape.scale, inFeatures, outFeatures);
    if ("rank" in shape) checkRank("LowRankLinear", "rank", rank, Math.min(inFeatures, outFeatures), "the smaller side of W");
    this.lowrank_contract = new PointwiseFactor(rank, inFeatures, build, options.init);
    this.lowrank_expand = new PointwiseFactor(outFeatures, rank, build, options.init, options.bias);
    if (options.init === "spectral") this.fromDense(normalMatrix(outFeatures, inFeatures, build));
  }

  /**
   * The map of the smallest rank whose relative error is at most the tolerance. By the theorem of Eckart and Young no smaller rank has such
   * a map.
   * @throws ConfigError for a tolerance out of range.
   */
  static fromDense(target: Matrix, options: FromDenseOptions): LowRankLinear {
    const { tolerance, build, options: own } = prepareFromDense("LowRankLinear", target, options);
    const decomposition = svd(target);
    const rank = new ErrorBudget(target.data, tolerance).spend(decomposition.s, 1);
    const map = new LowRankLinear(target.columns, target.rows, { rank }, build, own);
    map.#write(truncated(decomposition, rank));
    return withBias(map, options);
  }

  override get bias(): Parameter | undefined {
    return this.lowrank_expand.bias;
  }

  get rank(): number {
    return this.lowrank_contract.weight.shape[0]!;
  }

  override stages(): readonly Stage[] {
    return [
      ["ri,i->r", flat(this.lowrank_contract.weight.value)],
      ["or,r->o", flat(this.lowrank_expand.weight.value)],
    ];
  }

  override factorSizes(): readonly FactorSize[] {
    return [
      { parameter: this.lowrank_contract.weight, inputs: this.inFeatures, outputs: this.rank },
      { parameter: this.lowrank_expand.weight, inputs: this.rank, outputs: this.outFeatures },
    ];
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
    this.#write(lowRank(target, this.rank));
  }

  #write({ left, right }: LowRank): void {
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
 * W = Vᵀ·V·T with V:[r,out] (paper's code, "LR"). T stacks out/in copies of the input.   r·out parameters.
 * V·T is the sum of the column blocks of V, so a column takes r·(in + out) multiply-adds. `fromDense` gives the nearest such matrix if
 * in = out, and otherwise one whose error is at most √10 times the least one, and 1 % of the norm of W more.
 */
export class TiedLowRankLinear extends StructuredLinear {
  readonly name = "TiedLowRankLinear";
  readonly lowrank: PointwiseFactor;
  readonly bias: Parameter | undefined;

  /** @throws ConfigError unless `out` is a multiple of `in`, and the rank is an integer from 1 to out, or the scale gives a rank ≥ 1. */
  constructor(inFeatures: number, outFeatures: number, shape: LowRankShape, build: Build, options: StructuredOptions = {}) {
    super(inFeatures, outFeatures, options.mode);
    checkOptions("TiedLowRankLinear", options, familyOptions);
    const { bias = false, init = "reference" } = options;
    checkSizes("TiedLowRankLinear", { inFeatures, outFeatures });
    const rank = "rank" in shape ? shape.rank : rankOf("LR", shape.scale, inFeatures, outFeatures);
    if ("rank" in shape) checkRank("TiedLowRankLinear", "rank", rank, outFeatures, "the outputs");
    if (outFeatures % inFeatures !== 0)
      throw new ConfigError(`LR: the outputs must be a multiple of the inputs, got ${inFeatures} → ${outFeatures}; use Generic_x there`);
    this.lowrank = new PointwiseFactor(rank, outFeatures, build, init);
    this.bias = bias ? biasParameter(outFeatures, inFeatures, build) : undefined;
    if (init === "spectral") this.fromDense(normalMatrix(outFeatures, inFeatures, build));
  }

  get rank(): number {
    return this.lowrank.weight.shape[0]!;
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

  override stages(): readonly Stage[] {
    return [
      ["ri,i->r", this.#folded()],
      ["ro,r->o", flat(this.lowrank.weight.value)],
    ];
  }

  override factorSizes(): readonly FactorSize[] {
    return [
      { parameter: this.lowrank.weight, inputs: this.inFeatures, outputs: this.rank },
      { parameter: this.lowrank.weight, inputs: this.rank, outputs: this.outFeatures },
    ];
  }

  protected override details(): Readonly<Record<string, Described | undefined>> {
    return { rank: this.lowrank.weight.shape[0] };
  }

  /** The formula from left to right: Vᵀ·V:[out,out] first, and then T. */
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

  override fromDense(target: Matrix): void {
    this.lowrank.weight.write(nearestTiedLowRank(target, this.rank).v.data);
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
  linear: (spec, inFeatures, outFeatures, build, options) => new LowRankLinear(inFeatures, outFeatures, spec, build, options),
});

export const tiedLowRankFamily = defineFamily({
  kind: "LR",
  title: "Tied low rank",
  alias: "tied-low-rank",
  parameters: [positive("scale")],
  budget: searchScale("scale", 4),
  wrapper: { dropsPadding: true, refusesBias: true },
  examples: { inspect: { kind: "LR", scale: 0.25 }, bench: [{ kind: "LR", scale: 0.1 }] },
  linear: (spec, inFeatures, outFeatures, build, options) => new TiedLowRankLinear(inFeatures, outFeatures, spec, build, options),
});
