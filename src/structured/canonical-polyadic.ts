/** `CP_s` (Lebedev et al. 2015, arXiv 1412.6553; paper, §3): the whole weight as a three-way tensor, a sum of products of vectors. */

import { Random } from "../core/random.ts";
import { sizeOf } from "../core/shape.ts";
import { canonicalPolyadic } from "../linalg/canonical-polyadic.ts";
import type { Matrix } from "../linalg/matrix.ts";
import { tensorArray } from "../linalg/tensor-array.ts";
import type { Described } from "../nn/describe.ts";
import type { Build } from "../nn/init.ts";
import type { Parameter } from "../nn/state.ts";
import { ones } from "../ops/creation.ts";
import { einsum, einsumMultiplyAdds } from "../ops/einsum.ts";
import { multiply } from "../ops/elementwise.ts";
import { permute, transpose } from "../ops/layout.ts";
import { reshape } from "../ops/reshape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { biasParameter, emptyFactor, factor, normalMatrix, uniformMatrix, variancePreserving } from "./factor.ts";
import { defineFamily, positive, searchScale } from "./family.ts";
import { mixChannels, transposeChannels } from "./mix-channels.ts";
import { checkSizes, type PaperPixels, StructuredLinear, type StructuredOptions, type Work } from "./structured-linear.ts";
import { canonicalRank, type Triple, threeWayDims } from "./three-way.ts";
import { type Boundary, boundaryOf } from "./train-contraction.ts";

const denseEquation = "ar,br,cr->abc";
/** Rounds of alternating least squares when a layer is built; a minimum is refined by training anyway. */
const rounds = 30;

/** Columnwise Kronecker product: [a,R], [b,R] → [a·b,R]. */
const khatriRao = (left: Tensor, right: Tensor): Tensor =>
  reshape(multiply(reshape(left, [left.shape[0]!, 1, left.shape[1]!]), reshape(right, [1, right.shape[0]!, right.shape[1]!])), [
    left.shape[0]! * right.shape[0]!,
    left.shape[1]!,
  ]);

/**
 * W[o·in + i] = Σ_r F₁[i₁,r]·F₂[i₂,r]·F₃[i₃,r].   R·(d₁ + d₂ + d₃) parameters.
 * Where the dims cut cleanly between outputs and inputs, inputs are summed into R numbers and spread again: R·(in + d + out) multiply-adds a column,
 * d the mode that is cut; elsewhere W is rebuilt. `fromDense`: alternating least squares, a local best approximation.
 */
export class CanonicalPolyadicLinear extends StructuredLinear {
  readonly name = "CanonicalPolyadicLinear";
  readonly weight_core_0: Parameter;
  readonly weight_core_1: Parameter;
  readonly weight_core_2: Parameter;
  readonly bias: Parameter | undefined;
  readonly #dims: Triple;
  readonly #boundary: Boundary | undefined;

  /** @throws ConfigError unless scale > 0. */
  constructor(inFeatures: number, outFeatures: number, scale: number, build: Build, options: StructuredOptions = {}) {
    super(inFeatures, outFeatures, options.mode);
    checkSizes("CanonicalPolyadicLinear", { inFeatures, outFeatures });
    this.#dims = threeWayDims(outFeatures, inFeatures);
    this.#boundary = boundaryOf(this.#dims, inFeatures);
    const rank = canonicalRank(this.#dims, scale);
    const { init = "reference" } = options;
    // Three factors of deviation σ make entries of σ³√R; this σ gives W entries of variance 1/in.
    const spread = (1 / (Math.sqrt(inFeatures) * Math.sqrt(rank))) ** (1 / 3);
    const begin = (size: number): Parameter =>
      init === "variance-preserving"
        ? factor(variancePreserving([size, rank], 1 / spread ** 2, 1 / spread ** 2, build))
        : emptyFactor([size, rank], build);
    this.weight_core_0 = begin(this.#dims[0]);
    this.weight_core_1 = begin(this.#dims[1]);
    this.weight_core_2 = begin(this.#dims[2]);
    this.bias = options.bias ? biasParameter(outFeatures, inFeatures, build) : undefined;
    if (init === "reference") this.fromDense(uniformMatrix(outFeatures, inFeatures, build));
    if (init === "spectral") this.fromDense(normalMatrix(outFeatures, inFeatures, build));
  }

  #factors(): Parameter[] {
    return [this.weight_core_0, this.weight_core_1, this.weight_core_2];
  }

  get rank(): number {
    return this.weight_core_0.shape[1]!;
  }

  override contract(x: Tensor): Tensor {
    const [batch, , columns] = x.shape as [number, number, number];
    const { mode, outer, inner } = this.#boundary!;
    const { rank } = this;
    const factors = this.#factors().map(({ value }) => value);
    const merge = (parts: readonly Tensor[]): Tensor =>
      parts.length === 0 ? ones([1, rank], { dtype: x.dtype }) : parts.reduce(khatriRao);
    const inputs = merge(factors.slice(mode + 1));
    const outputs = merge(factors.slice(0, mode));
    const summed = mixChannels(reshape(x, [batch * inner, this.inFeatures / inner, columns]), transpose(inputs));
    const byRank = transposeChannels(reshape(summed, [batch, inner * rank, columns]), inner, rank);
    const cut = permute(reshape(factors[mode]!, [outer, inner, rank]), [2, 0, 1]);
    const spread = mixChannels(byRank, reshape(cut, [rank * outer, inner]), rank);
    return reshape(mixChannels(reshape(spread, [batch, rank, outer * columns]), outputs), [batch, this.outFeatures, columns]);
  }

  protected override details(): Readonly<Record<string, Described | undefined>> {
    return { dims: this.#dims, rank: this.weight_core_0.shape.at(-1) };
  }

  toDense(): Tensor {
    const [a, b, c] = this.#factors() as [Parameter, Parameter, Parameter];
    return reshape(einsum(denseEquation, a.value, b.value, c.value), [this.outFeatures, this.inFeatures]);
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
      perCall: merging(this.#dims.slice(0, mode)) + merging(this.#dims.slice(mode + 1)),
    };
  }

  denseCost(): number {
    const [a, b, c] = this.#factors() as [Parameter, Parameter, Parameter];
    return einsumMultiplyAdds(denseEquation, a.value, b.value, c.value);
  }

  override fromDense({ data }: Matrix): void {
    const { factors } = canonicalPolyadic(tensorArray(this.#dims, data), { rank: this.rank, random: new Random(0), iterations: rounds });
    for (const [k, parameter] of this.#factors().entries()) parameter.write(factors[k]!.data);
  }
}

export const canonicalPolyadicFamily = defineFamily({
  kind: "CP",
  title: "CP",
  alias: "canonical-polyadic",
  parameters: [positive("scale")],
  budget: searchScale("scale", 64),
  examples: { inspect: { kind: "CP", scale: 1 }, bench: [{ kind: "CP", scale: 0.5 }] },
  linear: ({ scale }, inFeatures, outFeatures, build, options) =>
    new CanonicalPolyadicLinear(inFeatures, outFeatures, scale, build, options),
});
