/** `Tucker_s` (Kim et al. 2016, arXiv 1511.06530; paper, §3): the whole weight as a three-way tensor in Tucker form. */

import { ConfigError } from "../core/errors.ts";
import { checkOptions } from "../core/options.ts";
import type { Matrix } from "../linalg/matrix.ts";
import { tensorArray } from "../linalg/tensor-array.ts";
import { tensorTrain } from "../linalg/tensor-train.ts";
import { type Tucker, tucker } from "../linalg/tucker.ts";
import { tuckerWithin } from "../linalg/within-tolerance.ts";
import type { Described } from "../nn/describe.ts";
import type { Build } from "../nn/init.ts";
import type { Parameter } from "../nn/state.ts";
import type { Stage } from "../ops/contract-channels.ts";
import { einsum, einsumMultiplyAdds } from "../ops/einsum.ts";
import { transpose } from "../ops/layout.ts";
import { reshape } from "../ops/reshape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { biasParameter, emptyFactor, factor, normalMatrix, uniformMatrix, variancePreserving } from "./factor.ts";
import { defineFamily, familyOptions, positive, searchScale } from "./family.ts";
import { type FromDenseOptions, prepareFromDense, withBias } from "./from-dense.ts";
import { checkFactors, checkSizes, checkTuckerRanks } from "./sizes.ts";
import { type FactorSize, type PaperPixels, StructuredLinear, type StructuredOptions, type Work } from "./structured-linear.ts";
import { type Triple, type TuckerSizes, threeWayDims, tuckerSizes } from "./three-way.ts";
import { type Boundary, boundaryOf, trainStages, trainWork } from "./train-contraction.ts";

const middleEquation = "ap,pbq,qc,db->adc";
const denseEquation = "ap,pbq,qc,xa,yb,zc->xyz";

/** The three modes of the flattened matrix, and the size of the core. */
export type TuckerShape =
  | {
      /** The sizes s₁, s₂, s₃ of the core. */
      readonly ranks: Triple;
      /** Three sizes with the product in·out. Default: near-equal sizes (`threeWayDims`). */
      readonly dims?: Triple;
    }
  | {
      /** A core of size max(1, round(scale·dims)), as in the paper's code. */
      readonly scale: number;
    };

export interface TuckerFromDense extends FromDenseOptions {
  /** As in `TuckerShape`. */
  readonly dims?: Triple;
}

/** @throws ConfigError unless there are three dims with the product in·out. */
function checkDims(dims: Triple, size: number): void {
  checkFactors("TuckerLinear", "dims", dims, size, "inputs times outputs", 3);
  if (dims.length !== 3) throw new ConfigError(`TuckerLinear: dims must be three sizes, got [${dims}]`);
}

/** @throws ConfigError for dims or ranks that do not fit. */
function sizesOf(inFeatures: number, outFeatures: number, shape: TuckerShape): Pick<TuckerSizes, "dims" | "sizes" | "bonds"> {
  if ("scale" in shape) return tuckerSizes(threeWayDims(outFeatures, inFeatures), shape.scale);
  const { ranks, dims = threeWayDims(outFeatures, inFeatures) } = shape;
  checkDims(dims, inFeatures * outFeatures);
  checkTuckerRanks("TuckerLinear", dims, ranks);
  // A core whose ranks fit each other is a train of full rank with these bonds.
  return { dims, sizes: ranks, bonds: [ranks[0], ranks[2]] };
}

/**
 * W[o·in + i] = Σ_{abc} S[a,b,c]·U₁[i₁,a]·U₂[i₂,b]·U₃[i₃,c]. The core S is itself a train of full rank, as the paper's code keeps and
 * counts it. S and U₂ are merged once a call. The result is a train of ranks s₁ and s₃, which costs s₃·in + s₁·s₃·d₂ + s₁·out multiply-adds
 * a column if the dims cut cleanly between outputs and inputs. Otherwise W is formed. `fromDense` is HOSVD refined by HOOI (De Lathauwer et
 * al. 2000), within √3 of the best.
 */
export class TuckerLinear extends StructuredLinear {
  readonly name = "TuckerLinear";
  readonly weight_core_0: Parameter;
  readonly weight_core_1: Parameter;
  readonly weight_core_2: Parameter;
  readonly weight_u_0: Parameter;
  readonly weight_u_1: Parameter;
  readonly weight_u_2: Parameter;
  readonly bias: Parameter | undefined;
  readonly #sizes: Pick<TuckerSizes, "dims" | "sizes" | "bonds">;
  readonly #boundary: Boundary | undefined;

  /** @throws ConfigError for dims whose product is not in·out, and for ranks that are larger than the dims or the other ranks allow. */
  constructor(inFeatures: number, outFeatures: number, shape: TuckerShape, build: Build, options: StructuredOptions = {}) {
    super(inFeatures, outFeatures, options.mode);
    checkOptions("TuckerLinear", options, familyOptions);
    checkSizes("TuckerLinear", { inFeatures, outFeatures });
    this.#sizes = sizesOf(inFeatures, outFeatures, shape);
    this.#boundary = boundaryOf(this.#sizes.dims, inFeatures);
    const { init = "reference" } = options;
    const { dims, sizes, bonds } = this.#sizes;
    const begin = (shape: readonly number[], inputs: number, outputs: number): Parameter =>
      init === "variance-preserving" ? factor(variancePreserving(shape, inputs, outputs, build)) : emptyFactor(shape, build);
    this.weight_core_0 = begin([1, sizes[0], bonds[0]], bonds[0], sizes[0]);
    this.weight_core_0.matrices = { shape: this.weight_core_0.shape, axes: "rrc" };
    this.weight_core_1 = begin([bonds[0], sizes[1], bonds[1]], bonds[1], bonds[0]);
    this.weight_core_2 = begin([bonds[1], sizes[2], 1], sizes[2], bonds[1]);
    this.weight_u_0 = begin([dims[0], sizes[0]], sizes[0], dims[0]);
    this.weight_u_1 = begin([dims[1], sizes[1]], sizes[1], dims[1]);
    this.weight_u_2 = begin([dims[2], sizes[2]], inFeatures, sizes[2]);
    this.bias = options.bias ? biasParameter(outFeatures, inFeatures, build) : undefined;
    if (init === "reference") this.fromDense(uniformMatrix(outFeatures, inFeatures, build));
    if (init === "spectral") this.fromDense(normalMatrix(outFeatures, inFeatures, build));
  }

  /**
   * The map of HOSVD whose relative error is at most the tolerance. The square of the error is at most the sum of the squares of its three
   * truncations' errors. The ranks need not be the smallest.
   * @throws ConfigError for a tolerance or dims out of range.
   */
  static fromDense(target: Matrix, options: TuckerFromDense): TuckerLinear {
    const { tolerance, build, options: own } = prepareFromDense("TuckerLinear", target, options);
    const { dims = threeWayDims(target.rows, target.columns) } = options;
    checkDims(dims, target.data.length);
    const found = tuckerWithin(tensorArray(dims, target.data), tolerance);
    const ranks = found.core.shape as Triple;
    const map = new TuckerLinear(target.columns, target.rows, { dims, ranks }, build, own);
    map.#write(found);
    return withBias(map, options);
  }

  get dims(): Triple {
    return this.#sizes.dims;
  }

  get ranks(): Triple {
    return this.#sizes.sizes;
  }

  /** The core's three parts as einsum's "ap", "pbq", "qc". */
  #core(): [Tensor, Tensor, Tensor] {
    const { sizes, bonds } = this.#sizes;
    return [
      reshape(this.weight_core_0.value, [sizes[0], bonds[0]]),
      this.weight_core_1.value,
      reshape(this.weight_core_2.value, [bonds[1], sizes[2]]),
    ];
  }

  override stages(): readonly Stage[] | undefined {
    if (this.#boundary === undefined) return undefined;
    const { dims, sizes } = this.#sizes;
    const first = reshape(this.weight_u_0.value, [1, dims[0], sizes[0]]);
    const middle = einsum(middleEquation, ...this.#core(), this.weight_u_1.value);
    const last = reshape(transpose(this.weight_u_2.value), [sizes[2], dims[2], 1]);
    return trainStages([first, middle, last], this.#boundary);
  }

  override factorSizes(): readonly FactorSize[] {
    // One chain in → s₃ → bonds of the core → s₁ → out, with U₂ beside it on the mode that is carried along.
    const { dims, sizes, bonds } = this.#sizes;
    return [
      { parameter: this.weight_u_2, inputs: this.inFeatures, outputs: sizes[2] },
      { parameter: this.weight_core_2, inputs: sizes[2], outputs: bonds[1] },
      { parameter: this.weight_core_1, inputs: bonds[1], outputs: bonds[0] },
      { parameter: this.weight_u_1, inputs: sizes[1], outputs: dims[1] },
      { parameter: this.weight_core_0, inputs: bonds[0], outputs: sizes[0] },
      { parameter: this.weight_u_0, inputs: sizes[0], outputs: this.outFeatures },
    ];
  }

  protected override details(): Readonly<Record<string, Described | undefined>> {
    return { dims: this.#sizes.dims, ranks: this.#sizes.sizes };
  }

  toDense(): Tensor {
    const whole = einsum(denseEquation, ...this.#core(), this.weight_u_0.value, this.weight_u_1.value, this.weight_u_2.value);
    return reshape(whole, [this.outFeatures, this.inFeatures]);
  }

  /** The paper's code counts the dense matrix. */
  override paperMultiplyAdds({ output }: PaperPixels): number {
    return this.inFeatures * this.outFeatures * output;
  }

  override contractionCost(): Work | undefined {
    if (this.#boundary === undefined) return undefined;
    const { dims, sizes } = this.#sizes;
    const cores = [
      [1, dims[0], sizes[0]],
      [sizes[0], dims[1], sizes[2]],
      [sizes[2], dims[2], 1],
    ];
    return trainWork(cores, this.#boundary, einsumMultiplyAdds(middleEquation, ...this.#core(), this.weight_u_1.value));
  }

  denseCost(): number {
    return einsumMultiplyAdds(denseEquation, ...this.#core(), this.weight_u_0.value, this.weight_u_1.value, this.weight_u_2.value);
  }

  override fromDense({ data }: Matrix): void {
    this.#write(tucker(tensorArray(this.dims, data), this.ranks));
  }

  #write({ core, factors }: Tucker): void {
    const train = tensorTrain(core, this.#sizes.bonds).cores;
    for (const [k, parameter] of [this.weight_core_0, this.weight_core_1, this.weight_core_2].entries())
      writePadded(parameter, train[k]!.shape, train[k]!.data);
    for (const [k, parameter] of [this.weight_u_0, this.weight_u_1, this.weight_u_2].entries()) {
      const [rows, columns] = parameter.shape as [number, number];
      const { data, columns: found } = factors[k]!;
      // A column that no direction of the tensor fills meets zeros in the core. As a unit vector it can still learn.
      const entry = (i: number, j: number): number => (j < found ? data[i * found + j]! : Number(i === j % rows));
      parameter.write(Float64Array.from({ length: rows * columns }, (_, at) => entry(Math.floor(at / columns), at % columns)));
    }
  }
}

export const tuckerFamily = defineFamily({
  kind: "Tucker",
  title: "Tucker",
  parameters: [positive("scale")],
  budget: searchScale("scale", 4),
  examples: { inspect: { kind: "Tucker", scale: 0.5 }, bench: [{ kind: "Tucker", scale: 0.41 }] },
  linear: (spec, inFeatures, outFeatures, build, options) => new TuckerLinear(inFeatures, outFeatures, spec, build, options),
});

/** Writes `data` of `shape` into the low corner of a three-way parameter whose bonds may be wider. The rest becomes zero. */
function writePadded(parameter: Parameter, shape: readonly number[], data: ArrayLike<number>): void {
  const [, sizeB, sizeC] = parameter.shape as [number, number, number];
  const [a, b, c] = shape as [number, number, number];
  const out = new Float64Array(parameter.value.size);
  for (let i = 0; i < a; i++)
    for (let j = 0; j < b; j++) for (let k = 0; k < c; k++) out[(i * sizeB + j) * sizeC + k] = data[(i * b + j) * c + k]!;
  parameter.write(out);
}
