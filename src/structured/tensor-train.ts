/** `TensorTrain_s` (Garipov et al. 2016, arXiv 1611.03214; paper, §3): the whole weight as a tensor train. */

import { checkOptions } from "../core/options.ts";
import { type Shape, sizeOf } from "../core/shape.ts";
import type { Matrix } from "../linalg/matrix.ts";
import { tensorArray } from "../linalg/tensor-array.ts";
import { type TensorTrain, tensorTrain } from "../linalg/tensor-train.ts";
import { tensorTrainWithin } from "../linalg/within-tolerance.ts";
import type { Described } from "../nn/describe.ts";
import type { Build } from "../nn/init.ts";
import type { MatrixView } from "../nn/matrix-view.ts";
import type { Parameter } from "../nn/state.ts";
import type { Stage } from "../ops/contract-channels.ts";
import { matmul } from "../ops/matmul.ts";
import { reshape } from "../ops/reshape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { biasParameter, emptyFactor, factor, normalMatrix, uniformMatrix, variancePreserving } from "./factor.ts";
import { defineFamily, familyOptions, positive, searchScale } from "./family.ts";
import { type FromDenseOptions, prepareFromDense, withBias } from "./from-dense.ts";
import { checkFactors, checkSizes, checkTrainRanks } from "./sizes.ts";
import { type FactorSize, type PaperPixels, StructuredLinear, type StructuredOptions, type Work } from "./structured-linear.ts";
import { threeWayDims, trainSizes } from "./three-way.ts";
import { type Boundary, boundaryOf, trainStages, trainWork } from "./train-contraction.ts";

/** The modes of the flattened matrix, and the ranks between them. */
export type TensorTrainShape =
  | {
      /** The ranks r₁ … r_{d−1}. */
      readonly ranks: readonly number[];
      /** The sizes d₁ … d_d of two modes or more, with the product in·out. Default: three near-equal sizes (`threeWayDims`). */
      readonly dims?: readonly number[];
    }
  | {
      /** Three modes, and ranks max(1, round(scale·the smaller mode beside the rank)), as in the paper's code. */
      readonly scale: number;
    };

export interface TensorTrainFromDense extends FromDenseOptions {
  /** As in `TensorTrainShape`. */
  readonly dims?: readonly number[];
}

/** @throws ConfigError for dims or ranks that do not fit. */
function sizesOf(inFeatures: number, outFeatures: number, shape: TensorTrainShape): { dims: readonly number[]; ranks: readonly number[] } {
  if ("scale" in shape) return trainSizes(threeWayDims(outFeatures, inFeatures), shape.scale);
  const { ranks, dims = threeWayDims(outFeatures, inFeatures) } = shape;
  checkFactors("TensorTrainLinear", "dims", dims, inFeatures * outFeatures, "inputs times outputs", 2);
  checkTrainRanks("TensorTrainLinear", dims, ranks);
  return { dims, ranks };
}

/**
 * The matrix of a core [r,d,r′]. A mode before the boundary makes outputs, one behind it sums over inputs, and the mode of the boundary does
 * both. Without a boundary only the first mode counts as one of outputs.
 */
function coreMatrices(shape: Shape, k: number, boundary: Boundary | undefined): MatrixView {
  if (k === boundary?.mode) return { shape: [shape[0]!, boundary.outer, boundary.inner, shape[2]!], axes: "rrcc" };
  return { shape, axes: k < (boundary?.mode ?? 1) ? "rrc" : "rcc" };
}

/**
 * W[o·in + i] = G₁[1,i₁,:]·…·G_d[:,i_d,1] with (i₁,…,i_d) the digits of the flat index in dims.   Σ r_{k−1}·d_k·r_k parameters.
 * If the dims cut cleanly between outputs and inputs, three cores cost r₂·in + r₁·r₂·d₂ + r₁·out multiply-adds a column. Otherwise W is
 * formed. `fromDense` is TT-SVD (Oseledets 2011), within √(d−1) of the best train.
 */
export class TensorTrainLinear extends StructuredLinear {
  readonly name = "TensorTrainLinear";
  /** The cores `weight_core_0`, `weight_core_1`, … as [r_{k−1},d_k,r_k]. */
  [core: `weight_core_${number}`]: Parameter;
  /** Declared only, so that the bias follows the cores in the state. */
  declare readonly bias: Parameter | undefined;
  readonly dims: readonly number[];
  readonly ranks: readonly number[];
  readonly #cores: readonly Parameter[];
  readonly #boundary: Boundary | undefined;

  /** @throws ConfigError for dims whose product is not in·out, and for ranks that are larger than their neighbours allow. */
  constructor(inFeatures: number, outFeatures: number, shape: TensorTrainShape, build: Build, options: StructuredOptions = {}) {
    super(inFeatures, outFeatures, options.mode);
    checkOptions("TensorTrainLinear", options, familyOptions);
    checkSizes("TensorTrainLinear", { inFeatures, outFeatures });
    const { dims, ranks } = sizesOf(inFeatures, outFeatures, shape);
    this.dims = dims;
    this.ranks = ranks;
    this.#boundary = boundaryOf(dims, inFeatures);
    const { init = "reference" } = options;
    this.#cores = dims.map((size, k) => {
      const [before, after] = [ranks[k - 1] ?? 1, ranks[k] ?? 1];
      if (init !== "variance-preserving") return emptyFactor([before, size, after], build);
      // The last core sums over its mode, which belongs to the input. The other cores sum over a bond.
      return factor(variancePreserving([before, size, after], k === dims.length - 1 ? inFeatures : after, before, build));
    });
    for (const [k, core] of this.#cores.entries()) {
      core.matrices = coreMatrices(core.shape, k, this.#boundary);
      this[`weight_core_${k}`] = core;
    }
    this.bias = options.bias ? biasParameter(outFeatures, inFeatures, build) : undefined;
    if (init === "reference") this.fromDense(uniformMatrix(outFeatures, inFeatures, build));
    if (init === "spectral") this.fromDense(normalMatrix(outFeatures, inFeatures, build));
  }

  /**
   * The map of TT-SVD whose relative error is at most the tolerance. No train with an error ≤ tolerance/√(d−1) has a smaller rank at any
   * bond.
   * @throws ConfigError for a tolerance or dims out of range.
   */
  static fromDense(target: Matrix, options: TensorTrainFromDense): TensorTrainLinear {
    const { tolerance, build, options: own } = prepareFromDense("TensorTrainLinear", target, options);
    const { dims = threeWayDims(target.rows, target.columns) } = options;
    checkFactors("TensorTrainLinear", "dims", dims, target.data.length, "inputs times outputs", 2);
    const train = tensorTrainWithin(tensorArray(dims, target.data), tolerance);
    const ranks = train.cores.slice(1).map(({ shape }) => shape[0]!);
    const map = new TensorTrainLinear(target.columns, target.rows, { dims, ranks }, build, own);
    map.#write(train);
    return withBias(map, options);
  }

  override stages(): readonly Stage[] | undefined {
    const cores = this.#cores.map(({ value }) => value);
    return this.#boundary && trainStages(cores, this.#boundary);
  }

  override factorSizes(): readonly FactorSize[] {
    // One chain in → r_{d−1} → … → r₁ → out. A mode that a core carries along counts on neither side.
    const last = this.#cores.length - 1;
    return this.#cores
      .map((parameter, k) => ({
        parameter,
        inputs: k === last ? this.inFeatures : this.ranks[k]!,
        outputs: k === 0 ? this.outFeatures : this.ranks[k - 1]!,
      }))
      .toReversed();
  }

  protected override details(): Readonly<Record<string, Described | undefined>> {
    return { dims: this.dims, ranks: this.ranks };
  }

  toDense(): Tensor {
    const whole = this.#cores.reduceRight<Tensor | undefined>((tail, { value }) => {
      const [before, size, after] = value.shape as [number, number, number];
      return tail === undefined
        ? reshape(value, [before, size])
        : reshape(matmul(reshape(value, [before * size, after]), tail), [before, (size * tail.size) / after]);
    }, undefined)!;
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
        this.#cores.map(({ shape }) => shape),
        this.#boundary,
      )
    );
  }

  denseCost(): number {
    return this.#cores.slice(0, -1).reduce((total, { shape }, k) => total + sizeOf(shape) * sizeOf(this.dims.slice(k + 1)), 0);
  }

  override fromDense({ data }: Matrix): void {
    this.#write(tensorTrain(tensorArray(this.dims, data), this.ranks));
  }

  #write({ cores }: TensorTrain): void {
    for (const [k, parameter] of this.#cores.entries()) parameter.write(cores[k]!.data);
  }
}

export const tensorTrainFamily = defineFamily({
  kind: "TensorTrain",
  title: "Tensor-Train",
  parameters: [positive("scale")],
  budget: searchScale("scale", 4),
  examples: { inspect: { kind: "TensorTrain", scale: 0.5 }, bench: [{ kind: "TensorTrain", scale: 0.44 }] },
  linear: (spec, inFeatures, outFeatures, build, options) => new TensorTrainLinear(inFeatures, outFeatures, spec, build, options),
});
