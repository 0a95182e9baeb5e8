/** Batch normalisation as a layer: the op, its scale γ and shift β, and the running statistics that evaluation uses. */

import type { Context } from "../core/context.ts";
import { ShapeError } from "../core/errors.ts";
import { checkNumbers } from "../core/numbers.ts";
import { checkOptions, type OptionNames, optionNames } from "../core/options.ts";
import { formatShape } from "../core/shape.ts";
import { type BatchNormResult, batchNorm, besselCorrection, inferenceAffine, type RunningNorm, updateRunning } from "../ops/batch-norm.ts";
import { channelAffine } from "../ops/channel-affine.ts";
import type { Epilogue } from "../ops/epilogue.ts";
import { noGrad } from "../tape/tape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { ChannelAffine } from "./channel-affine.ts";
import { type Description, unlessUsual } from "./describe.ts";
import type { EpilogueLayer } from "./epilogue.ts";
import { type Build, constant } from "./init.ts";
import { Layer } from "./module.ts";
import { Buffer, Counter, Parameter } from "./state.ts";

export interface BatchNormOptions {
  /** ε, which is added to the variance. Default: 1e-5, as in PyTorch. */
  readonly epsilon?: number;
  /** The weight of the newest batch in the running statistics, in [0, 1]. Default: 0.1, as in PyTorch. */
  readonly momentum?: number;
  /** The value of every γ before training. 0 lets a residual branch begin as 0 (Goyal et al. 2017, arXiv 1706.02677, §5.1). Default: 1. */
  readonly initialScale?: number;
  /** Whether training changes γ. If not, γ is a buffer of the state, and only β is a parameter. Default: true. */
  readonly trainScale?: boolean;
}

/** The names of `BatchNormOptions`. */
export const batchNormOptions: OptionNames = optionNames<BatchNormOptions>({
  epsilon: true,
  momentum: true,
  initialScale: true,
  trainScale: true,
});

/**
 * y = γ·(x − μ)/√(σ² + ε) + β (Ioffe & Szegedy 2015, arXiv 1502.03167).   x:[N,C,H,W] → y:[N,C,H,W].
 * In training μ and σ² are the mean and the biased variance of the batch. The running statistics move towards the batch's mean and its
 * unbiased variance, as in PyTorch. In evaluation, and in a frozen norm, μ and σ² are the running statistics, which then stand still.
 */
export class BatchNorm2d extends Layer implements EpilogueLayer {
  readonly weight: Parameter | Buffer;
  readonly bias: Parameter;
  readonly running_mean: Buffer;
  readonly running_var: Buffer;
  readonly num_batches_tracked = new Counter();
  readonly #epsilon: number;
  readonly #momentum: number;

  constructor(channels: number, build: Build, options: BatchNormOptions = {}) {
    super();
    checkOptions("BatchNorm2d", options, batchNormOptions);
    const { epsilon = 1e-5, momentum = 0.1, initialScale = 1, trainScale = true } = options;
    checkNumbers("BatchNorm2d", { epsilon }, { least: 0 });
    checkNumbers("BatchNorm2d", { momentum }, { least: 0, most: 1 });
    checkNumbers("BatchNorm2d", { initialScale }, {});
    const scale = constant([channels], initialScale, build);
    this.weight = trainScale ? new Parameter(scale, "full", "norm") : new Buffer(scale);
    this.bias = new Parameter(constant([channels], 0, build), "full", "norm");
    this.running_mean = new Buffer(constant([channels], 0, build));
    this.running_var = new Buffer(constant([channels], 1, build));
    this.#epsilon = epsilon;
    this.#momentum = momentum;
  }

  /** Whether the norm takes the statistics of the batch, and not the running ones. */
  takesBatch({ training }: Context): boolean {
    return training && !this.frozen;
  }

  /** Whether the norm computes as in evaluation although the network is in training: `freeze` has frozen its parameters. */
  get frozen(): boolean {
    return !this.bias.trainable && !(this.weight instanceof Parameter && this.weight.trainable);
  }

  /** @throws ShapeError in training for a batch with fewer than two values in a channel, which have no variance. */
  forward(x: Tensor, context: Context): Tensor {
    return this.forwardThen(x, context, {});
  }

  /** y = activation(norm(x) + addend) in one pass. @throws ShapeError as `forward` does, and for an addend of another shape than x. */
  forwardThen(x: Tensor, context: Context, then: Epilogue): Tensor {
    if (!this.takesBatch(context)) {
      const { scale, shift } = this.affine();
      return channelAffine(x, scale, shift, then);
    }
    return this.forwardInto(x, (gamma, beta, epsilon, running) => batchNorm(x, gamma, beta, epsilon, then, running));
  }

  /**
   * What `compute` gives, which takes the statistics of the batch: the norm itself, or the norm with the layer behind it. The running
   * statistics move by them.
   * @throws ShapeError as `forward` does.
   */
  forwardInto(x: Tensor, compute: (gamma: Tensor, beta: Tensor, epsilon: number, running: RunningNorm) => BatchNormResult): Tensor {
    if (x.rank >= 2 && x.size < 2 * x.shape[1]!)
      throw new ShapeError(
        `BatchNorm2d: training needs at least 2 values in each channel, got x:${formatShape(x.shape)}; ` +
          "use larger batches, and leave out a last batch of one image (dropLast, or train --drop-last)",
      );
    const [momentum, correction] = [this.#momentum, besselCorrection(x)];
    const before: RunningNorm = { mean: this.running_mean.value, variance: this.running_var.value, momentum, correction };
    const { y, mean, variance, running } = compute(this.weight.value, this.bias.value, this.#epsilon, before);
    noGrad(() => {
      this.running_mean.value = running?.mean ?? updateRunning(before.mean, mean, momentum);
      this.running_var.value = running?.variance ?? updateRunning(before.variance, variance, momentum, correction);
    });
    this.num_batches_tracked.count++;
    return y;
  }

  override describe(): Description {
    const options = {
      epsilon: unlessUsual(this.#epsilon, 1e-5),
      momentum: unlessUsual(this.#momentum, 0.1),
      trainScale: this.weight instanceof Parameter ? undefined : false,
    };
    return { kind: "BatchNorm2d", sizes: this.weight.shape, options, whole: true };
  }

  /** What the norm is in evaluation: s = γ/√(σ² + ε) and t = β − μ·s with the running statistics. */
  affine(): ChannelAffine {
    return inferenceAffine(this.weight.value, this.bias.value, this.running_mean.value, this.running_var.value, this.#epsilon);
  }
}
