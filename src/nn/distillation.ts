/**
 * The losses of a student network with a teacher: distillation compares their probabilities (Hinton et al. 2015, arXiv 1503.02531),
 * attention transfer compares their attention maps (Zagoruyko & Komodakis 2017, arXiv 1612.03928).
 */

import { ConfigError, ShapeError } from "../core/errors.ts";
import { checkNumbers } from "../core/numbers.ts";
import { checkOptions, type OptionNames, optionNames } from "../core/options.ts";
import { formatShape, sameShape } from "../core/shape.ts";
import { add, divide, exp, multiply, subtract } from "../ops/elementwise.ts";
import { mean } from "../ops/reductions.ts";
import { logSoftmax } from "../ops/softmax.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type CrossEntropyOptions, crossEntropy } from "./losses.ts";

export interface DistillationOptions extends CrossEntropyOptions {
  /** α, the share of the teacher's probabilities in the loss, in [0, 1]. The labels have the rest. */
  readonly alpha: number;
  /** T, which divides the logits of both networks before their softmax; above 0. */
  readonly temperature: number;
}

/** The names of `DistillationOptions`. */
export const distillationOptions: OptionNames = optionNames<DistillationOptions>({ labelSmoothing: true, alpha: true, temperature: true });

/**
 * L = 2αT²·(1/NC) Σ_nc t_nc·(log t_nc − log s_nc) + (1 − α)·crossEntropy, where t and s are the softmax of the teacher's and the student's
 * logits/T. The mean is over all N·C elements, as in the paper's code (docs/faithfulness.md).
 * student, teacher:[N,classes], labels: N class numbers → L:[].
 * @throws ShapeError for logits of two shapes or labels that do not fit; ConfigError for α or T out of their range.
 */
export function distillation(student: Tensor, teacher: Tensor, labels: ArrayLike<number>, allOptions: DistillationOptions): Tensor {
  checkOptions("distillation", allOptions, distillationOptions);
  const { alpha, temperature, ...options } = allOptions;
  if (!sameShape(student.shape, teacher.shape))
    throw new ShapeError(
      "distillation: student and teacher must have logits of one shape, " +
        `got ${formatShape(student.shape)} and ${formatShape(teacher.shape)}`,
    );
  if (!(alpha >= 0 && alpha <= 1)) throw new ConfigError(`distillation: alpha must be in [0, 1], got ${alpha}`);
  if (!(temperature > 0 && Number.isFinite(temperature)))
    throw new ConfigError(`distillation: the temperature must be finite and above 0, got ${temperature}`);
  if (alpha === 0) return crossEntropy(student, labels, options);
  const [s, t] = [logSoftmax(divide(student, temperature)), logSoftmax(divide(teacher, temperature))];
  const divergence = multiply(mean(multiply(exp(t), subtract(t, s))), 2 * alpha * temperature ** 2);
  return add(divergence, multiply(crossEntropy(student, labels, options), 1 - alpha));
}

/**
 * L = (3β/M) Σ_m mean (q_m^student − q_m^teacher)² over M pairs of attention maps (paper, §4).   Each map q:[N,H·W] → L:[].
 * @throws ShapeError unless student and teacher have the same number of maps, at least one, and the maps of each pair have one shape;
 * ConfigError for β below 0 or not finite.
 */
export function attentionTransfer(student: readonly Tensor[], teacher: readonly Tensor[], beta: number): Tensor {
  if (student.length === 0 || student.length !== teacher.length || student.some((map, i) => !sameShape(map.shape, teacher[i]!.shape))) {
    const shapes = (maps: readonly Tensor[]): string => maps.map((map) => formatShape(map.shape)).join(", ") || "none";
    throw new ShapeError(
      `attentionTransfer: student and teacher must have maps of the same shapes, got ${shapes(student)} and ${shapes(teacher)}`,
    );
  }
  checkNumbers("attentionTransfer", { beta }, { least: 0 });
  const errors = student.map((map, i) => {
    const difference = subtract(map, teacher[i]!);
    return mean(multiply(difference, difference));
  });
  return multiply(errors.reduce(add), (3 * beta) / errors.length);
}
