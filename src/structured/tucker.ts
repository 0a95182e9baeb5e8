/** `Tucker_s` (Kim et al. 2016, arXiv 1511.06530; paper, §3): the whole weight as a three-way tensor in Tucker form. */

import type { Matrix } from "../linalg/matrix.ts";
import { tensorArray } from "../linalg/tensor-array.ts";
import { tensorTrain } from "../linalg/tensor-train.ts";
import { tucker } from "../linalg/tucker.ts";
import type { Described } from "../nn/describe.ts";
import type { Build } from "../nn/init.ts";
import type { Parameter } from "../nn/state.ts";
import { einsum, einsumMultiplyAdds } from "../ops/einsum.ts";
import { transpose } from "../ops/layout.ts";
import { reshape } from "../ops/reshape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { biasParameter, emptyFactor, factor, normalMatrix, uniformMatrix, variancePreserving } from "./factor.ts";
import { defineFamily, positive, searchScale } from "./family.ts";
import { checkSizes, type PaperPixels, StructuredLinear, type StructuredOptions, type Work } from "./structured-linear.ts";
import { type TuckerSizes, threeWayDims, tuckerSizes } from "./three-way.ts";
import { type Boundary, boundaryOf, contractTrain, trainWork } from "./train-contraction.ts";

const middleEquation = "ap,pbq,qc,db->adc";
const denseEquation = "ap,pbq,qc,xa,yb,zc->xyz";

/**
 * W[o·in + i] = Σ_{abc} S[a,b,c]·U₁[i₁,a]·U₂[i₂,b]·U₃[i₃,c]; the core S is itself a train of full rank, as the paper's code keeps and counts it.
 * With S and U₂ merged once a call it is a train of ranks s₁, s₃ and costs a column as much: s₃·in + s₁·s₃·d₂ + s₁·out where the dims cut cleanly
 * between outputs and inputs; elsewhere W is rebuilt. `fromDense`: HOSVD refined by HOOI (De Lathauwer et al. 2000), within √3 of the best.
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
  readonly #sizes: TuckerSizes;
  readonly #boundary: Boundary | undefined;

  /** @throws ConfigError unless scale > 0. */
  constructor(inFeatures: number, outFeatures: number, scale: number, build: Build, options: StructuredOptions = {}) {
    super(inFeatures, outFeatures, options.mode);
    checkSizes("TuckerLinear", { inFeatures, outFeatures });
    this.#sizes = tuckerSizes(threeWayDims(outFeatures, inFeatures), scale);
    this.#boundary = boundaryOf(this.#sizes.dims, inFeatures);
    const { init = "reference" } = options;
    const { dims, sizes, bonds } = this.#sizes;
    const begin = (shape: readonly number[], inputs: number, outputs: number): Parameter =>
      init === "variance-preserving" ? factor(variancePreserving(shape, inputs, outputs, build)) : emptyFactor(shape, build);
    this.weight_core_0 = begin([1, sizes[0], bonds[0]], bonds[0], sizes[0]);
    this.weight_core_1 = begin([bonds[0], sizes[1], bonds[1]], bonds[1], bonds[0]);
    this.weight_core_2 = begin([bonds[1], sizes[2], 1], sizes[2], bonds[1]);
    this.weight_u_0 = begin([dims[0], sizes[0]], sizes[0], dims[0]);
    this.weight_u_1 = begin([dims[1], sizes[1]], sizes[1], dims[1]);
    this.weight_u_2 = begin([dims[2], sizes[2]], inFeatures, sizes[2]);
    this.bias = options.bias ? biasParameter(outFeatures, inFeatures, build) : undefined;
    if (init === "reference") this.fromDense(uniformMatrix(outFeatures, inFeatures, build));
    if (init === "spectral") this.fromDense(normalMatrix(outFeatures, inFeatures, build));
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

  override contract(x: Tensor): Tensor {
    const { dims, sizes } = this.#sizes;
    const first = reshape(this.weight_u_0.value, [1, dims[0], sizes[0]]);
    const middle = einsum(middleEquation, ...this.#core(), this.weight_u_1.value);
    const last = reshape(transpose(this.weight_u_2.value), [sizes[2], dims[2], 1]);
    return contractTrain(x, [first, middle, last], this.#boundary!);
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
    const { dims, sizes, bonds } = this.#sizes;
    const { core, factors } = tucker(tensorArray(dims, data), sizes);
    const train = tensorTrain(core, bonds).cores;
    for (const [k, parameter] of [this.weight_core_0, this.weight_core_1, this.weight_core_2].entries())
      writePadded(parameter, train[k]!.shape, train[k]!.data);
    for (const [k, parameter] of [this.weight_u_0, this.weight_u_1, this.weight_u_2].entries()) {
      const [rows, columns] = parameter.shape as [number, number];
      const { data, columns: found } = factors[k]!;
      // Columns that no direction of the tensor asked for meet zeros in the core; unit vectors there keep them able to learn.
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
  linear: ({ scale }, inFeatures, outFeatures, build, options) => new TuckerLinear(inFeatures, outFeatures, scale, build, options),
});

/** Writes `data` of `shape` into the low corner of a three-way parameter that may have wider bonds, zeros elsewhere. */
function writePadded(parameter: Parameter, shape: readonly number[], data: ArrayLike<number>): void {
  const [, sizeB, sizeC] = parameter.shape as [number, number, number];
  const [a, b, c] = shape as [number, number, number];
  const out = new Float64Array(parameter.value.size);
  for (let i = 0; i < a; i++)
    for (let j = 0; j < b; j++) for (let k = 0; k < c; k++) out[(i * sizeB + j) * sizeC + k] = data[(i * b + j) * c + k]!;
  parameter.write(out);
}
