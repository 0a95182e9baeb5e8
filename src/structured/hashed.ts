/** HashedNet (Chen et al. 2015, arXiv 1504.04788): a weight matrix whose entries share a short list of values, drawn by lot. */

import { ConfigError } from "../core/errors.ts";
import { sizeOf } from "../core/shape.ts";
import type { Matrix } from "../linalg/matrix.ts";
import type { Described } from "../nn/describe.ts";
import { type Build, fanIn, uniformFanIn } from "../nn/init.ts";
import { Module } from "../nn/module.ts";
import { Buffer, type Decay, Parameter } from "../nn/state.ts";
import { tensor } from "../ops/creation.ts";
import { gather } from "../ops/indexing.ts";
import { reshape } from "../ops/reshape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { refuseSpectral } from "./factor.ts";
import { StructuredLinear, type StructuredOptions } from "./structured-linear.ts";

export interface HashedOptions {
  readonly bias?: boolean;
  readonly decay?: Decay;
  /** Of the bias, where it differs. */
  readonly biasDecay?: Decay;
  /**
   * The paper's code draws indices below budget − 1, so that its last weight never serves; its counts still include it. We draw from all
   * unless told otherwise (docs/faithfulness.md).
   */
  readonly lastWeightUnused?: boolean;
}

/** W[i₁,…] = w[h(i₁,…)] with h drawn once, uniformly.   `budget` parameters, and the bias. */
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
    const { bias = true, decay = "compressed", biasDecay = decay, lastWeightUnused = false } = options;
    if (!Number.isInteger(budget) || budget < 2)
      throw new ConfigError(`HashedWeight: the budget must be an integer ≥ 2, got ${budget}; raise the fraction`);
    this.denseShape = shape;
    const drawn = lastWeightUnused ? budget - 1 : budget;
    const indices = Int32Array.from({ length: sizeOf(shape) }, () => build.random.integer(drawn));
    this.idxs = new Buffer(tensor(indices, { shape: [indices.length], dtype: "int32" }));
    this.hashed_weight = new Parameter(uniformFanIn([budget], build, fanIn(shape)), decay);
    this.bias = bias ? new Parameter(uniformFanIn([shape[0]!], build, fanIn(shape)), biasDecay) : undefined;
  }

  /** W in its own shape. */
  value(): Tensor {
    return reshape(gather(this.hashed_weight.value, this.idxs.value), this.denseShape);
  }

  /** Makes W nearest to `target`, given in W's order: each shared value becomes the mean of the entries it stands for, the least squares solution. */
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

/**
 * W = w[h]:[out,in] (paper, §3).   `budget` parameters and a bias. There is no cheaper way than W itself: in·out multiply-adds per column.
 * `fromDense`: the means of `HashedWeight`, exact least squares.
 */
export class HashedLinear extends StructuredLinear {
  readonly name = "HashedLinear";
  readonly hashed: HashedWeight;

  constructor(
    inFeatures: number,
    outFeatures: number,
    budget: number,
    build: Build,
    { init = "reference", ...options }: StructuredOptions & HashedOptions = {},
  ) {
    super(inFeatures, outFeatures, "dense");
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
