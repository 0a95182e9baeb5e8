/** `TensorTrain_s` (Garipov et al. 2016, arXiv 1611.03214; paper, §3): the whole weight as a three-way tensor in train form. */

import type { Matrix } from "../linalg/matrix.ts";
import { tensorArray } from "../linalg/tensor-array.ts";
import { tensorTrain } from "../linalg/tensor-train.ts";
import type { Described } from "../nn/describe.ts";
import type { Build } from "../nn/init.ts";
import type { Parameter } from "../nn/state.ts";
import { matmul } from "../ops/matmul.ts";
import { reshape } from "../ops/reshape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { biasParameter, emptyFactor, factor, normalMatrix, uniformMatrix, variancePreserving } from "./factor.ts";
import { defineFamily, positive, searchScale } from "./family.ts";
import { checkSizes, type PaperPixels, StructuredLinear, type StructuredOptions, type Work } from "./structured-linear.ts";
import { type TrainSizes, threeWayDims, trainSizes } from "./three-way.ts";
import { type Boundary, boundaryOf, contractTrain, trainWork } from "./train-contraction.ts";

/**
 * W[o·in + i] = G₁[1,i₁,:]·G₂[:,i₂,:]·G₃[:,i₃,1] with (i₁,i₂,i₃) the digits of the flat index in dims.   d₁r₁ + r₁d₂r₂ + r₂d₃ parameters.
 * Where the dims cut cleanly between outputs and inputs, r₂·in + r₁·r₂·d₂ + r₁·out multiply-adds a column; elsewhere W is rebuilt.
 * `fromDense`: TT-SVD (Oseledets 2011), within √2 of the best train.
 */
export class TensorTrainLinear extends StructuredLinear {
  readonly name = "TensorTrainLinear";
  readonly weight_core_0: Parameter;
  readonly weight_core_1: Parameter;
  readonly weight_core_2: Parameter;
  readonly bias: Parameter | undefined;
  readonly #sizes: TrainSizes;
  readonly #boundary: Boundary | undefined;

  /** @throws ConfigError unless scale > 0. */
  constructor(inFeatures: number, outFeatures: number, scale: number, build: Build, options: StructuredOptions = {}) {
    super(inFeatures, outFeatures, options.mode);
    checkSizes("TensorTrainLinear", { inFeatures, outFeatures });
    this.#sizes = trainSizes(threeWayDims(outFeatures, inFeatures), scale);
    this.#boundary = boundaryOf(this.#sizes.dims, inFeatures);
    const { init = "reference" } = options;
    const [[d1, d2, d3], [r1, r2]] = [this.#sizes.dims, this.#sizes.ranks];
    const core = (before: number, size: number, after: number): Parameter =>
      init === "variance-preserving"
        ? factor(variancePreserving([before, size, after], after, before, build))
        : emptyFactor([before, size, after], build);
    this.weight_core_0 = core(1, d1, r1);
    this.weight_core_1 = core(r1, d2, r2);
    // The core that meets the input sums over its mode, the others over a bond.
    this.weight_core_2 =
      init === "variance-preserving" ? factor(variancePreserving([r2, d3, 1], inFeatures, r2, build)) : emptyFactor([r2, d3, 1], build);
    this.bias = options.bias ? biasParameter(outFeatures, inFeatures, build) : undefined;
    if (init === "reference") this.fromDense(uniformMatrix(outFeatures, inFeatures, build));
    if (init === "spectral") this.fromDense(normalMatrix(outFeatures, inFeatures, build));
  }

  #cores(): Parameter[] {
    return [this.weight_core_0, this.weight_core_1, this.weight_core_2];
  }

  override contract(x: Tensor): Tensor {
    return contractTrain(
      x,
      this.#cores().map(({ value }) => value),
      this.#boundary!,
    );
  }

  protected override details(): Readonly<Record<string, Described | undefined>> {
    return { dims: this.#sizes.dims, ranks: this.#sizes.ranks };
  }

  toDense(): Tensor {
    const [[d1, d2, d3], [r1, r2]] = [this.#sizes.dims, this.#sizes.ranks];
    const tail = matmul(reshape(this.weight_core_1.value, [r1 * d2, r2]), reshape(this.weight_core_2.value, [r2, d3]));
    const whole = matmul(reshape(this.weight_core_0.value, [d1, r1]), reshape(tail, [r1, d2 * d3]));
    return reshape(whole, [this.outFeatures, this.inFeatures]);
  }

  /** The paper's code counts the dense matrix. */
  override paperMultiplyAdds({ output }: PaperPixels): number {
    return this.inFeatures * this.outFeatures * output;
  }

  override contractionCost(): Work | undefined {
    return (
      this.#boundary &&
      trainWork(
        this.#cores().map(({ shape }) => shape),
        this.#boundary,
      )
    );
  }

  denseCost(): number {
    const [[d1, d2, d3], [r1, r2]] = [this.#sizes.dims, this.#sizes.ranks];
    return r1 * d2 * r2 * d3 + d1 * r1 * d2 * d3;
  }

  override fromDense({ data }: Matrix): void {
    const { cores } = tensorTrain(tensorArray(this.#sizes.dims, data), this.#sizes.ranks);
    for (const [k, parameter] of this.#cores().entries()) parameter.write(cores[k]!.data);
  }
}

export const tensorTrainFamily = defineFamily({
  kind: "TensorTrain",
  title: "Tensor-Train",
  parameters: [positive("scale")],
  budget: searchScale("scale", 4),
  examples: { inspect: { kind: "TensorTrain", scale: 0.5 }, bench: [{ kind: "TensorTrain", scale: 0.44 }] },
  linear: ({ scale }, inFeatures, outFeatures, build, options) => new TensorTrainLinear(inFeatures, outFeatures, scale, build, options),
});
