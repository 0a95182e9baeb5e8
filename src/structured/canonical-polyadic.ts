/** `CP_s` (Lebedev et al. 2015, arXiv 1412.6553; paper, §3): the whole weight as a tensor that is a sum of products of vectors. */

import { largest } from "../core/extent.ts";
import { checkOptions } from "../core/options.ts";
import { Random } from "../core/random.ts";
import { sizeOf } from "../core/shape.ts";
import { canonicalPolyadic } from "../linalg/canonical-polyadic.ts";
import type { Matrix } from "../linalg/matrix.ts";
import { tensorArray } from "../linalg/tensor-array.ts";
import { canonicalPolyadicWithin } from "../linalg/within-tolerance.ts";
import type { Described } from "../nn/describe.ts";
import type { Build } from "../nn/init.ts";
import type { Parameter } from "../nn/state.ts";
import type { Stage } from "../ops/contract-channels.ts";
import { ones } from "../ops/creation.ts";
import { einsum, einsumMultiplyAdds } from "../ops/einsum.ts";
import { multiply } from "../ops/elementwise.ts";
import { reshape } from "../ops/reshape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { biasParameter, emptyFactor, factor, normalMatrix, uniformMatrix, variancePreserving } from "./factor.ts";
import { defineFamily, familyOptions, positive, searchScale } from "./family.ts";
import { type FromDenseOptions, prepareFromDense, withBias } from "./from-dense.ts";
import { checkFactors, checkRank, checkSizes } from "./sizes.ts";
import { type FactorSize, type PaperPixels, StructuredLinear, type StructuredOptions, type Work } from "./structured-linear.ts";
import { canonicalRank, threeWayDims } from "./three-way.ts";
import { type Boundary, boundaryOf } from "./train-contraction.ts";

/** The rounds of alternating least squares. They are few, because training refines the result. */
const rounds = 30;

/** The Khatri–Rao product, which is the Kronecker product column by column.   [a,R], [b,R] → [a·b,R]. */
const khatriRao = (left: Tensor, right: Tensor): Tensor =>
  reshape(multiply(reshape(left, [left.shape[0]!, 1, left.shape[1]!]), reshape(right, [1, right.shape[0]!, right.shape[1]!])), [
    left.shape[0]! * right.shape[0]!,
    left.shape[1]!,
  ]);

/** The modes of the flattened matrix, and the number of terms. */
export type CanonicalPolyadicShape =
  | {
      /** The number R of terms. */
      readonly rank: number;
      /** The sizes of two modes or more, with the product in·out. Default: three near-equal sizes (`threeWayDims`). */
      readonly dims?: readonly number[];
    }
  | {
      /** Three modes, and the rank max(1, round(scale·smallest mode)), as in the paper's code. */
      readonly scale: number;
    };

export interface CanonicalPolyadicFromDense extends FromDenseOptions {
  /** As in `CanonicalPolyadicShape`. */
  readonly dims?: readonly number[];
}

/** @throws ConfigError for dims or a rank that do not fit. */
function sizesOf(inFeatures: number, outFeatures: number, shape: CanonicalPolyadicShape): { dims: readonly number[]; rank: number } {
  const usual = threeWayDims(outFeatures, inFeatures);
  if ("scale" in shape) return { dims: usual, rank: canonicalRank(usual, shape.scale) };
  const { dims = usual, rank } = shape;
  checkFactors("CanonicalPolyadicLinear", "dims", dims, inFeatures * outFeatures, "inputs times outputs", 2);
  const most = sizeOf(dims) / largest(dims);
  checkRank("CanonicalPolyadicLinear", "rank", rank, most, `the product of all dims [${dims}] but the largest gives every tensor`);
  return { dims, rank };
}

/**
 * W[o·in + i] = Σ_r F₁[i₁,r]·…·F_d[i_d,r].   R·(d₁ + … + d_d) parameters.
 * If the dims cut cleanly between outputs and inputs, inputs are summed into R numbers and spread again. That takes R·(in + d + out)
 * multiply-adds a column, where d is the mode that is cut. Otherwise W is formed. `fromDense` is alternating least squares, which finds a
 * local optimum.
 */
export class CanonicalPolyadicLinear extends StructuredLinear {
  readonly name = "CanonicalPolyadicLinear";
  /** The factors `weight_core_0`, `weight_core_1`, … as [d_k,R]. */
  [core: `weight_core_${number}`]: Parameter;
  /** Declared only, so that the bias follows the cores in the state. */
  declare readonly bias: Parameter | undefined;
  readonly dims: readonly number[];
  readonly #factors: readonly Parameter[];
  readonly #boundary: Boundary | undefined;

  /** @throws ConfigError for dims whose product is not in·out, and for a rank out of range. */
  constructor(inFeatures: number, outFeatures: number, shape: CanonicalPolyadicShape, build: Build, options: StructuredOptions = {}) {
    super(inFeatures, outFeatures, options.mode);
    checkOptions("CanonicalPolyadicLinear", options, familyOptions);
    checkSizes("CanonicalPolyadicLinear", { inFeatures, outFeatures });
    const { dims, rank } = sizesOf(inFeatures, outFeatures, shape);
    this.dims = dims;
    this.#boundary = boundaryOf(dims, inFeatures);
    const { init = "reference" } = options;
    // d factors of standard deviation σ make entries of σ^d·√R. This σ gives W entries of variance 1/in.
    const spread = (1 / (Math.sqrt(inFeatures) * Math.sqrt(rank))) ** (1 / dims.length);
    this.#factors = dims.map((size) =>
      init === "variance-preserving"
        ? factor(variancePreserving([size, rank], 1 / spread ** 2, 1 / spread ** 2, build))
        : emptyFactor([size, rank], build),
    );
    for (const [k, core] of this.#factors.entries()) this[`weight_core_${k}`] = core;
    this.bias = options.bias ? biasParameter(outFeatures, inFeatures, build) : undefined;
    if (init === "reference") this.fromDense(uniformMatrix(outFeatures, inFeatures, build));
    if (init === "spectral") this.fromDense(normalMatrix(outFeatures, inFeatures, build));
  }

  /**
   * A map whose relative error is at most the tolerance. Its rank is found by a search, as no rule gives the smallest one: the rank is
   * doubled until alternating least squares reach the tolerance, and then bisected.
   * @throws ConfigError for a tolerance or dims out of range.
   */
  static fromDense(target: Matrix, options: CanonicalPolyadicFromDense): CanonicalPolyadicLinear {
    const { tolerance, build, options: own } = prepareFromDense("CanonicalPolyadicLinear", target, options);
    const { dims = threeWayDims(target.rows, target.columns) } = options;
    checkFactors("CanonicalPolyadicLinear", "dims", dims, target.data.length, "inputs times outputs", 2);
    const { factors } = canonicalPolyadicWithin(tensorArray(dims, target.data), tolerance, { iterations: rounds });
    const map = new CanonicalPolyadicLinear(target.columns, target.rows, { dims, rank: factors[0]!.columns }, build, own);
    for (const [k, parameter] of map.#factors.entries()) parameter.write(factors[k]!.data);
    return withBias(map, options);
  }

  /** The equation of W and its operands, with one letter for each mode. */
  #equation(): [string, ...Tensor[]] {
    const letters = this.dims.map((_, k) => String.fromCharCode("a".charCodeAt(0) + k));
    return [`${letters.map((letter) => `${letter}z`).join(",")}->${letters.join("")}`, ...this.#factors.map(({ value }) => value)];
  }

  get rank(): number {
    return this.#factors[0]!.shape[1]!;
  }

  override stages(): readonly Stage[] | undefined {
    if (this.#boundary === undefined) return undefined;
    const { mode, outer, inner } = this.#boundary;
    const { rank } = this;
    const factors = this.#factors.map(({ value }) => value);
    const merge = (parts: readonly Tensor[]): Tensor =>
      parts.length === 0 ? ones([1, rank], { dtype: factors[0]!.dtype }) : parts.reduce(khatriRao);
    const inputs = merge(factors.slice(mode + 1));
    const outputs = merge(factors.slice(0, mode));
    return [
      ["iz,ci->cz", inputs],
      ["ocz,cz->zo", reshape(factors[mode]!, [outer, inner, rank])],
      ["mz,zo->mo", outputs],
    ];
  }

  override factorSizes(): readonly FactorSize[] {
    // Inputs are summed into R numbers, each of which is multiplied along the modes between, and the R numbers are spread again.
    const last = this.#factors.length - 1;
    return this.#factors
      .map((parameter, k) => ({
        parameter,
        inputs: k === last ? this.inFeatures : k === 0 ? this.rank : 1,
        outputs: k === last ? this.rank : k === 0 ? this.outFeatures : 1,
      }))
      .toReversed();
  }

  protected override details(): Readonly<Record<string, Described | undefined>> {
    return { dims: this.dims, rank: this.rank };
  }

  toDense(): Tensor {
    return reshape(einsum(...this.#equation()), [this.outFeatures, this.inFeatures]);
  }

  /** The paper's code counts the dense matrix. */
  override paperMultiplyAdds({ output }: PaperPixels): number {
    return this.inFeatures * this.outFeatures * output;
  }

  override contractionCost(): Work | undefined {
    if (this.#boundary === undefined) return undefined;
    const { rank } = this;
    const { mode, outer, inner } = this.#boundary;
    const merging = (dims: readonly number[]): number =>
      dims.slice(1).reduce((total, _, k) => total + rank * sizeOf(dims.slice(0, k + 2)), 0);
    return {
      multiplyAdds: rank * (this.inFeatures + outer * inner + this.outFeatures),
      perCall: merging(this.dims.slice(0, mode)) + merging(this.dims.slice(mode + 1)),
    };
  }

  denseCost(): number {
    return einsumMultiplyAdds(...this.#equation());
  }

  override fromDense({ data }: Matrix): void {
    const { factors } = canonicalPolyadic(tensorArray(this.dims, data), { rank: this.rank, random: new Random(0), iterations: rounds });
    for (const [k, parameter] of this.#factors.entries()) parameter.write(factors[k]!.data);
  }
}

export const canonicalPolyadicFamily = defineFamily({
  kind: "CP",
  title: "CP",
  alias: "canonical-polyadic",
  parameters: [positive("scale")],
  budget: searchScale("scale", 64),
  examples: { inspect: { kind: "CP", scale: 1 }, bench: [{ kind: "CP", scale: 0.5 }] },
  linear: (spec, inFeatures, outFeatures, build, options) => new CanonicalPolyadicLinear(inFeatures, outFeatures, spec, build, options),
});
