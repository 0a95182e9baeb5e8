/** The training losses: cross-entropy for classification, and mean squared error for regression. */

import { ConfigError, ShapeError } from "../core/errors.ts";
import { checkOptions, kindOf, type OptionNames, optionNames } from "../core/options.ts";
import { formatShape, sameShape } from "../core/shape.ts";
import { softmaxCrossEntropy } from "../ops/cross-entropy.ts";
import { multiply, subtract } from "../ops/elementwise.ts";
import { mean } from "../ops/reductions.ts";
import type { Tensor } from "../tensor/tensor.ts";

export interface CrossEntropyOptions {
  /** The probability mass s in [0, 1] that is spread evenly over all classes (Szegedy et al. 2016, arXiv 1512.00567, §7). Default: 0. */
  readonly labelSmoothing?: number;
}

/** The names of `CrossEntropyOptions`. */
export const crossEntropyOptions: OptionNames = optionNames<CrossEntropyOptions>({ labelSmoothing: true });

/**
 * L = (1/N) Σ_n −Σ_c q_nc·log softmax(x_n)_c, where q_n = (1 − s)·onehot(label_n) + s/classes.
 * logits:[N,classes], labels: N class numbers → L:[].
 * @throws ShapeError unless there is one label in [0, classes) for each row of logits; ConfigError for s outside [0, 1].
 */
export function crossEntropy(logits: Tensor, labels: ArrayLike<number>, options: CrossEntropyOptions = {}): Tensor {
  checkOptions("crossEntropy", options, crossEntropyOptions);
  const { labelSmoothing = 0 } = options;
  const [batch, classes] = logits.shape;
  if (typeof labels?.length !== "number")
    throw new ShapeError(`crossEntropy: labels must be an array of class numbers, got ${kindOf(labels)}; a tensor gives one with data()`);
  if (logits.rank !== 2 || batch !== labels.length)
    throw new ShapeError(
      `crossEntropy: needs logits:[N,classes] and N labels, got ${formatShape(logits.shape)} and ${labels.length} labels`,
    );
  if (!(labelSmoothing >= 0 && labelSmoothing <= 1))
    throw new ConfigError(`crossEntropy: labelSmoothing must be in [0, 1], got ${labelSmoothing}`);
  const targets = Int32Array.from(labels, (label, n) => {
    if (!Number.isInteger(label) || label < 0 || label >= classes!)
      throw new ShapeError(`crossEntropy: labels must be integers in [0, ${classes! - 1}], got ${label} for sample ${n}`);
    return label;
  });
  return softmaxCrossEntropy(logits, targets, labelSmoothing);
}

/**
 * L = (1/n) Σ_i (prediction_i − target_i)² over all n elements.   prediction, target: the same shape → L:[].
 * @throws ShapeError if the shapes differ, because broadcasting [N,1] against [N] would silently compare every pair.
 */
export function meanSquaredError(prediction: Tensor, target: Tensor): Tensor {
  if (!sameShape(prediction.shape, target.shape))
    throw new ShapeError(
      `meanSquaredError: prediction and target must have one shape, got ${formatShape(prediction.shape)} and ${formatShape(target.shape)}`,
    );
  const difference = subtract(prediction, target);
  return mean(multiply(difference, difference));
}
