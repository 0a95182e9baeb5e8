/** Matrix Tensor-Train (Novikov et al. 2015, arXiv 1509.06569): each core has one mode of the outputs and one mode of the inputs. */

import { ConfigError } from "../core/errors.ts";
import { balancedFactors } from "../core/factors.ts";
import { checkOptions } from "../core/options.ts";
import { sizeOf } from "../core/shape.ts";
import type { Matrix } from "../linalg/matrix.ts";
import { permuted, type TensorArray, tensorArray } from "../linalg/tensor-array.ts";
import { type TensorTrain, tensorTrain } from "../linalg/tensor-train.ts";
import { tensorTrainWithin } from "../linalg/within-tolerance.ts";
import type { Described } from "../nn/describe.ts";
import type { Build } from "../nn/init.ts";
import type { Parameter } from "../nn/state.ts";
import type { Stage } from "../ops/contract-channels.ts";
import { permute } from "../ops/layout.ts";
import { matmul } from "../ops/matmul.ts";
import { reshape } from "../ops/reshape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { biasParameter, factor, normalMatrix, variancePreserving } from "./factor.ts";
import { defineFamily, familyOptions, searchRank, whole } from "./family.ts";
import { type FromDenseOptions, prepareFromDense, withBias } from "./from-dense.ts";
import { checkFactors, checkSizes, checkTrainRanks } from "./sizes.ts";
import { type FactorSize, StructuredLinear, type StructuredOptions, type Work } from "./structured-linear.ts";

/** The most cores. Each core beyond the prime factors of a side has a mode of 1. */
const mostCores = 32;

/** The modes of outputs and inputs, and the ranks between the cores. */
export type MatrixTrainShape =
  | {
      /** The ranks r₁ … r_{d−1}. */
      readonly ranks: readonly number[];
      /** The sizes m₁ … m_d of the output modes, with the product out. */
      readonly outModes: readonly number[];
      /** The sizes n₁ … n_d of the input modes, with the product in. */
      readonly inModes: readonly number[];
    }
  | {
      /** The largest rank. A bond has a smaller one where the modes on one side of it allow no more. */
      readonly rank: number;
      /** The number d of cores. The modes are near-equal. */
      readonly cores: number;
    };

/** The modes: both lists, or the number of near-equal modes. Default: three near-equal modes. */
export type MatrixTrainModes = { readonly outModes: readonly number[]; readonly inModes: readonly number[] } | { readonly cores?: number };

export type MatrixTrainFromDense = FromDenseOptions & MatrixTrainModes;

interface Modes {
  readonly outModes: readonly number[];
  readonly inModes: readonly number[];
  /** m_k·n_k. */
  readonly pairs: readonly number[];
}

/** @throws ConfigError for modes that do not fit. */
function modesOf(inFeatures: number, outFeatures: number, modes: MatrixTrainModes): Modes {
  const name = "MatrixTensorTrainLinear";
  if (!("outModes" in modes)) {
    const { cores = 3 } = modes;
    checkSizes(name, { inFeatures, outFeatures, cores });
    if (cores > mostCores) throw new ConfigError(`${name}: cores must be at most ${mostCores}, got ${cores}`);
    return paired(balancedFactors(outFeatures, cores), balancedFactors(inFeatures, cores));
  }
  const { outModes, inModes } = modes;
  checkFactors(name, "outModes", outModes, outFeatures, "the outputs");
  checkFactors(name, "inModes", inModes, inFeatures, "the inputs");
  if (outModes.length !== inModes.length)
    throw new ConfigError(`${name}: outModes and inModes must have the same length, got [${outModes}] and [${inModes}]`);
  return paired(outModes, inModes);
}

const paired = (outModes: readonly number[], inModes: readonly number[]): Modes => ({
  outModes,
  inModes,
  pairs: outModes.map((m, k) => m * inModes[k]!),
});

/** W with its modes in pairs: a tensor of shape [m₁·n₁, …, m_d·n_d]. */
function pairedTensor({ data }: Matrix, { outModes, inModes, pairs }: Modes): TensorArray {
  const order = outModes.flatMap((_, k) => [k, outModes.length + k]);
  return tensorArray(pairs, permuted(tensorArray([...outModes, ...inModes], data), order).data);
}

/** The ranks that a shape asks for. @throws ConfigError for ranks that do not fit. */
function ranksOf(pairs: readonly number[], shape: MatrixTrainShape): readonly number[] {
  if ("ranks" in shape) {
    checkTrainRanks("MatrixTensorTrainLinear", pairs, shape.ranks);
    return shape.ranks;
  }
  checkSizes("MatrixTensorTrainLinear", { rank: shape.rank });
  return pairs.slice(1).map((_, k) => Math.min(shape.rank, sizeOf(pairs.slice(0, k + 1)), sizeOf(pairs.slice(k + 1))));
}

/**
 * W[(o₁…o_d),(i₁…i_d)] = G₁[:,o₁,i₁,:]·…·G_d[:,o_d,i_d,:], cores [r_{k−1},m_k,n_k,r_k].   Σ r_{k−1}·m_k·n_k·r_k parameters.
 * Each core replaces its input mode by its output mode. A column takes Σ_k (m₁…m_{k−1})·|G_k|·(n_{k+1}…n_d) multiply-adds, without copies
 * between cores. `fromDense` is TT-SVD on the paired modes. Its error is at most √(d−1) times the least.
 */
export class MatrixTensorTrainLinear extends StructuredLinear {
  readonly name = "MatrixTensorTrainLinear";
  readonly cores: readonly Parameter[];
  readonly bias: Parameter | undefined;
  readonly outModes: readonly number[];
  readonly inModes: readonly number[];

  /** @throws ConfigError for modes whose products are not out and in, and for ranks that are larger than their neighbours allow. */
  constructor(inFeatures: number, outFeatures: number, shape: MatrixTrainShape, build: Build, options: StructuredOptions = {}) {
    super(inFeatures, outFeatures, options.mode);
    checkOptions("MatrixTensorTrainLinear", options, familyOptions);
    const { outModes, inModes, pairs } = modesOf(inFeatures, outFeatures, shape);
    const ranks = ranksOf(pairs, shape);
    this.outModes = outModes;
    this.inModes = inModes;
    this.cores = pairs.map((_, k) => {
      const [before, m, n, after] = [ranks[k - 1] ?? 1, outModes[k]!, inModes[k]!, ranks[k] ?? 1];
      return factor(variancePreserving([before, m, n, after], before * n, m * after, build), "crcr");
    });
    this.bias = options.bias ? biasParameter(outFeatures, inFeatures, build) : undefined;
    if (options.init === "spectral") this.fromDense(normalMatrix(outFeatures, inFeatures, build));
  }

  /**
   * The map of TT-SVD whose relative error is at most the tolerance. No train with an error ≤ tolerance/√(d−1) has a smaller rank at any
   * bond.
   * @throws ConfigError for a tolerance or modes out of range.
   */
  static fromDense(target: Matrix, options: MatrixTrainFromDense): MatrixTensorTrainLinear {
    const { tolerance, build, options: own } = prepareFromDense("MatrixTensorTrainLinear", target, options);
    const modes = modesOf(target.columns, target.rows, options);
    const train = tensorTrainWithin(pairedTensor(target, modes), tolerance);
    const ranks = train.cores.slice(1).map(({ shape }) => shape[0]!);
    const map = new MatrixTensorTrainLinear(target.columns, target.rows, { ...modes, ranks }, build, own);
    map.#write(train);
    return withBias(map, options);
  }

  get ranks(): readonly number[] {
    return this.cores.slice(1).map(({ shape }) => shape[0]!);
  }

  override stages(): readonly Stage[] {
    let rest = this.inFeatures;
    return this.cores.map(({ value }): Stage => {
      rest /= value.shape[2]!;
      // The outputs o are made, and the inputs i are still to come.
      return ["amnb,oani->ombi", value, { i: rest }];
    });
  }

  override factorSizes(): readonly FactorSize[] {
    return this.cores.map((parameter) => {
      const [before, m, n, after] = parameter.shape as [number, number, number, number];
      return { parameter, inputs: before * n, outputs: m * after };
    });
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

  override fromDense(target: Matrix): void {
    this.#write(tensorTrain(pairedTensor(target, paired(this.outModes, this.inModes)), this.ranks));
  }

  #write({ cores }: TensorTrain): void {
    for (const [k, parameter] of this.cores.entries()) parameter.write(cores[k]!.data);
  }
}

export const matrixTensorTrainFamily = defineFamily({
  kind: "MatrixTensorTrain",
  title: "Matrix Tensor-Train",
  parameters: [whole("rank"), whole("cores", { default: 3, most: mostCores })],
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
