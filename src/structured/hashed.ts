/** HashedNet (Chen et al. 2015, arXiv 1504.04788): the entries of a weight matrix share a short list of values, assigned at random. */

import { ConfigError } from "../core/errors.ts";
import { checkOptions, type OptionNames, optionNames } from "../core/options.ts";
import { sizeOf } from "../core/shape.ts";
import type { Matrix } from "../linalg/matrix.ts";
import type { Described } from "../nn/describe.ts";
import { type Build, fanIn, uniformFanIn } from "../nn/init.ts";
import { Module } from "../nn/module.ts";
import { Buffer, type Decay, Parameter } from "../nn/state.ts";
import { drawn } from "../ops/creation.ts";
import { gather } from "../ops/indexing.ts";
import { reshape } from "../ops/reshape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { refuseSpectral } from "./factor.ts";
import { StructuredLinear, type StructuredOptions } from "./structured-linear.ts";

export interface HashedOptions {
  readonly bias?: boolean;
  readonly decay?: Decay;
  /** The weight-decay group of the bias. Default: `decay`. */
  readonly biasDecay?: Decay;
  /**
   * Whether indices are drawn below budget − 1, as in the paper's code, whose last weight is never used but is counted
   * (docs/faithfulness.md). Default: false.
   */
  readonly lastWeightUnused?: boolean;
}

/** The names of `HashedOptions`. */
export const hashedOptions: OptionNames = optionNames<HashedOptions>({ bias: true, decay: true, biasDecay: true, lastWeightUnused: true });

/** The names of the options of `HashedLinear`. */
const hashedLinearOptions: OptionNames = { ...hashedOptions, init: true, mode: true };

/** W[i₁,…] = w[h(i₁,…)], where the indices h are drawn once, uniformly.   `budget` parameters, and the bias. */
export class HashedWeight extends Module {
  readonly hashed_weight: Parameter;
  readonly bias: Parameter | undefined;
  /** h, flattened in W's order. */
  readonly idxs: Buffer;
  /** The shape of W. */
  readonly denseShape: readonly number[];

  /** @throws ConfigError unless budget is an integer ≥ 2. */
  constructor(shape: readonly number[], budget: number, build: Build, options: HashedOptions = {}) {
    super();
    checkOptions("HashedWeight", options, hashedOptions);
    const { bias = true, decay = "compressed", biasDecay = decay, lastWeightUnused = false } = options;
    if (!Number.isInteger(budget) || budget < 2)
      throw new ConfigError(`HashedWeight: the budget must be an integer ≥ 2, got ${budget}; raise the fraction`);
    this.denseShape = shape;
    const used = lastWeightUnused ? budget - 1 : budget;
    this.idxs = new Buffer(drawn("HashedWeight", [sizeOf(shape)], "int32", build.random, () => build.random.integer(used)));
    this.hashed_weight = new Parameter(uniformFanIn([budget], build, fanIn(shape)), decay);
    this.bias = bias ? new Parameter(uniformFanIn([shape[0]!], build, fanIn(shape)), biasDecay) : undefined;
  }

  /** W in its own shape. */
  value(): Tensor {
    return reshape(gather(this.hashed_weight.value, this.idxs.value), this.denseShape);
  }

  /**
   * Makes W the nearest one to `target`, which has W's order. Each shared value becomes the mean of its entries: the least squares
   * solution.
   */
  async fromDense(target: ArrayLike<number>): Promise<void> {
    const indices = await this.idxs.read();
    const sums = new Float64Array(this.hashed_weight.value.size);
    const counts = new Float64Array(sums.length);
    for (const [at, index] of indices.entries()) {
      sums[index]! += target[at]!;
      counts[index]!++;
    }
    this.hashed_weight.write(sums.map((sum, i) => sum / Math.max(1, counts[i]!)));
  }
}

/** The size of the list of shared values. */
export interface HashedShape {
  /** The number of shared values. */
  readonly budget: number;
}

/**
 * W = w[h]:[out,in] (paper, §3).   `budget` parameters and a bias. W is always formed, so a column takes in·out multiply-adds.
 * `fromDense` is that of `HashedWeight`. The result is the nearest such matrix.
 */
export class HashedLinear extends StructuredLinear {
  readonly name = "HashedLinear";
  readonly hashed: HashedWeight;

  /** @throws ConfigError unless budget is an integer ≥ 2. */
  constructor(
    inFeatures: number,
    outFeatures: number,
    { budget }: HashedShape,
    build: Build,
    allOptions: StructuredOptions & HashedOptions = {},
  ) {
    super(inFeatures, outFeatures, "dense");
    checkOptions("HashedLinear", allOptions, hashedLinearOptions);
    const { init = "reference", mode: _, ...options } = allOptions;
    refuseSpectral("HashedLinear", init);
    this.hashed = new HashedWeight([outFeatures, inFeatures], budget, build, options);
  }

  override get bias(): Parameter | undefined {
    return this.hashed.bias;
  }

  protected override details(): Readonly<Record<string, Described | undefined>> {
    return { budget: this.hashed.hashed_weight.value.size };
  }

  toDense(): Tensor {
    return this.hashed.value();
  }

  denseCost(): number {
    return 0;
  }

  override fromDense({ data }: Matrix): Promise<void> {
    return this.hashed.fromDense(data);
  }
}
