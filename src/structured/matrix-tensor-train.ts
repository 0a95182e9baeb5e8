/** Matrix Tensor-Train (Novikov et al. 2015, arXiv 1509.06569): modes in pairs, one of outputs and one of inputs to a core. */

import { balancedFactors } from "../core/factors.ts";
import { sizeOf } from "../core/shape.ts";
import type { Matrix } from "../linalg/matrix.ts";
import { permuted, tensorArray } from "../linalg/tensor-array.ts";
import { tensorTrain } from "../linalg/tensor-train.ts";
import type { Described } from "../nn/describe.ts";
import type { Build } from "../nn/init.ts";
import type { Parameter } from "../nn/state.ts";
import { permute } from "../ops/layout.ts";
import { matmul } from "../ops/matmul.ts";
import { reshape } from "../ops/reshape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { biasParameter, factor, normalMatrix, variancePreserving } from "./factor.ts";
import { defineFamily, searchRank, whole } from "./family.ts";
import { mixChannels } from "./mix-channels.ts";
import { checkSizes, StructuredLinear, type StructuredOptions, type Work } from "./structured-linear.ts";

export interface MatrixTrainShape {
  readonly rank: number;
  readonly cores: number;
}

/**
 * W[(o₁…o_d),(i₁…i_d)] = G₁[:,o₁,i₁,:]·…·G_d[:,o_d,i_d,:], cores [r_{k−1},m_k,n_k,r_k].   Σ r_{k−1}·m_k·n_k·r_k parameters.
 * Each core turns its input mode into its output mode: Σ_k (m₁…m_{k−1})·|G_k|·(n_{k+1}…n_d) multiply-adds a column, and no copy between cores.
 * `fromDense`: TT-SVD on the paired modes, within √(d−1) of the best.
 */
export class MatrixTensorTrainLinear extends StructuredLinear {
  readonly name = "MatrixTensorTrainLinear";
  readonly cores: readonly Parameter[];
  readonly bias: Parameter | undefined;
  readonly outModes: readonly number[];
  readonly inModes: readonly number[];

  /** @throws ConfigError unless rank and cores are integers ≥ 1. */
  constructor(inFeatures: number, outFeatures: number, { rank, cores }: MatrixTrainShape, build: Build, options: StructuredOptions = {}) {
    super(inFeatures, outFeatures, options.mode);
    checkSizes("MatrixTensorTrain", { inFeatures, outFeatures, rank, cores });
    this.outModes = balancedFactors(outFeatures, cores);
    this.inModes = balancedFactors(inFeatures, cores);
    const pairs = this.outModes.map((m, k) => m * this.inModes[k]!);
    // No bond can exceed what stands on either side of it.
    const bond = (k: number): number => Math.min(rank, sizeOf(pairs.slice(0, k)), sizeOf(pairs.slice(k)));
    this.cores = pairs.map((_, k) => {
      const [before, m, n, after] = [bond(k), this.outModes[k]!, this.inModes[k]!, bond(k + 1)];
      return factor(variancePreserving([before, m, n, after], before * n, m * after, build));
    });
    this.bias = options.bias ? biasParameter(outFeatures, inFeatures, build) : undefined;
    if (options.init === "spectral") this.fromDense(normalMatrix(outFeatures, inFeatures, build));
  }

  override contract(x: Tensor): Tensor {
    const [batch, , columns] = x.shape as [number, number, number];
    let z = x;
    let rows = batch;
    let rest = this.inFeatures;
    for (const { value } of this.cores) {
      const [before, m, n, after] = value.shape as [number, number, number, number];
      rest /= n;
      const mixing = reshape(permute(value, [1, 3, 0, 2]), [m * after, before * n]);
      z = mixChannels(reshape(z, [rows, before * n, rest * columns]), mixing);
      rows *= m;
    }
    return reshape(z, [batch, this.outFeatures, columns]);
  }

  protected override details(): Readonly<Record<string, Described | undefined>> {
    return {
      outModes: this.outModes,
      inModes: this.inModes,
      ranks: this.cores.slice(1).map(({ shape }) => shape[0]!),
    };
  }

  toDense(): Tensor {
    const whole = this.cores.reduce<Tensor | undefined>((left, { value }) => {
      const [before] = value.shape as [number];
      const core = reshape(value, [before, value.size / before]);
      return left === undefined ? core : matmul(reshape(left, [left.size / before, before]), core);
    }, undefined)!;
    const order = this.outModes.map((_, k) => 2 * k);
    const pairs = this.outModes.flatMap((m, k) => [m, this.inModes[k]!]);
    return reshape(permute(reshape(whole, pairs), [...order, ...order.map((axis) => axis + 1)]), [this.outFeatures, this.inFeatures]);
  }

  override contractionCost(): Work {
    const costs = this.cores.map(({ value }, k) => sizeOf(this.outModes.slice(0, k)) * value.size * sizeOf(this.inModes.slice(k + 1)));
    return { multiplyAdds: costs.reduce((a, b) => a + b, 0), perCall: 0 };
  }

  denseCost(): number {
    const pairs = this.outModes.map((m, k) => m * this.inModes[k]!);
    return this.cores.slice(1).reduce((total, { value }, k) => total + sizeOf(pairs.slice(0, k + 1)) * value.size, 0);
  }

  override fromDense({ data }: Matrix): void {
    const count = this.outModes.length;
    const order = this.outModes.flatMap((_, k) => [k, count + k]);
    const paired = permuted(tensorArray([...this.outModes, ...this.inModes], data), order);
    const modes = this.outModes.map((m, k) => m * this.inModes[k]!);
    const ranks = this.cores.slice(1).map(({ shape }) => shape[0]!);
    const { cores } = tensorTrain(tensorArray(modes, paired.data), ranks);
    for (const [k, parameter] of this.cores.entries()) parameter.write(cores[k]!.data);
  }
}

export const matrixTensorTrainFamily = defineFamily({
  kind: "MatrixTensorTrain",
  title: "Matrix Tensor-Train",
  parameters: [whole("rank"), whole("cores", { default: 3 })],
  budget: searchRank("rank"),
  examples: {
    inspect: { kind: "MatrixTensorTrain", rank: 4, cores: 3 },
    bench: [
      { kind: "MatrixTensorTrain", rank: 8, cores: 3 },
      { kind: "MatrixTensorTrain", rank: 8, cores: 2 },
    ],
  },
  linear: (spec, inFeatures, outFeatures, build, options) => new MatrixTensorTrainLinear(inFeatures, outFeatures, spec, build, options),
});
