/** The objective that a training step minimises: losses from labels, a teacher and an auxiliary classifier, and penalties. */

import type { Context } from "../core/context.ts";
import { checkOptions, type OptionNames, optionNames } from "../core/options.ts";
import type { NetworkOutput } from "../models/network-output.ts";
import { attentionTransfer, distillation } from "../nn/distillation.ts";
import { crossEntropy } from "../nn/losses.ts";
import { add, multiply } from "../ops/elementwise.ts";
import { noGrad } from "../tape/tape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { AttentiveClassifier, Classifier } from "./evaluate.ts";

/** The results of one forward pass. */
export interface StepLoss {
  /** [N,classes]. */
  readonly logits: Tensor;
  /** Cross-entropy with the labels. It is reported, because it is comparable between runs that minimise different objectives. */
  readonly loss: Tensor;
  /** The number that the step minimises. */
  readonly objective: Tensor;
}

/** x:[N,C,H,W] and N labels → the step's losses. */
export type Objective = (x: Tensor, labels: ArrayLike<number>, context: Context) => StepLoss;

/** A trained network to learn from, and the weights of its losses (docs/faithfulness.md). */
export interface Teaching {
  readonly teacher: AttentiveClassifier;
  /** Weight of the teacher's probabilities, in [0, 1]. The labels have the weight 1 − α. */
  readonly alpha: number;
  /** Temperature of the softmax whose probabilities are compared. */
  readonly temperature: number;
  /** Weight of the attention transfer loss. */
  readonly beta: number;
}

export interface LabelOptions {
  /** Share of the probability that is spread over all classes, in [0, 1). Default: 0. */
  readonly labelSmoothing?: number;
  /** A term that is added to the objective; undefined where the network has none. Default: no penalty. */
  readonly penalty?: ((model: Classifier) => Tensor | undefined) | undefined;
}

/** The names of `LabelOptions`. */
export const labelOptions: OptionNames = optionNames<LabelOptions>({ labelSmoothing: true, penalty: true });

export interface ObjectiveOptions extends LabelOptions {
  /** Default: no teacher. */
  readonly teaching?: Teaching | undefined;
  /** Weight of the auxiliary classifier's cross-entropy, for networks that have one. DARTS uses 0.4. Default: 0. */
  readonly auxiliaryWeight?: number;
}

/** The names of `ObjectiveOptions`. */
export const objectiveOptions: OptionNames = optionNames<ObjectiveOptions>({
  labelSmoothing: true,
  penalty: true,
  teaching: true,
  auxiliaryWeight: true,
});

const sumOf = (terms: readonly (Tensor | undefined)[]): Tensor => terms.filter((term) => term !== undefined).reduce(add);

/** The objective crossEntropy + penalty, where the penalty is optional. */
export function learnFromLabels(model: Classifier, options: LabelOptions = {}): Objective {
  checkOptions("learnFromLabels", options, labelOptions);
  const { labelSmoothing = 0, penalty } = options;
  return (x, labels, context) => {
    const logits = model.forward(x, context);
    const loss = crossEntropy(logits, labels, { labelSmoothing });
    return { logits, loss, objective: sumOf([loss, penalty?.(model)]) };
  };
}

/**
 * The objective distillation + attentionTransfer + auxiliaryWeight·crossEntropy(auxiliary) + penalty, where each term is optional. Without
 * a teacher, cross-entropy takes the place of distillation. The teacher sees the same images as the student, in evaluation mode and without
 * recording gradients.
 */
export function createObjective(model: AttentiveClassifier, options: ObjectiveOptions): Objective {
  checkOptions("createObjective", options, objectiveOptions);
  const { teaching, auxiliaryWeight = 0, ...fromLabels } = options;
  if (teaching === undefined && auxiliaryWeight === 0) return learnFromLabels(model, fromLabels);
  const { labelSmoothing = 0, penalty } = fromLabels;
  return (x, labels, context) => {
    const { logits, attention, auxiliary } = model.forwardWithAttention(x, context);
    const loss = crossEntropy(logits, labels, { labelSmoothing });
    const teacherTerms = teaching === undefined ? [loss] : teach(teaching, { x, labels, logits, attention, loss, labelSmoothing });
    const auxiliaryTerm =
      auxiliary && auxiliaryWeight > 0 ? multiply(crossEntropy(auxiliary, labels, { labelSmoothing }), auxiliaryWeight) : undefined;
    return { logits, loss, objective: sumOf([...teacherTerms, auxiliaryTerm, penalty?.(model)]) };
  };
}

interface Student extends NetworkOutput {
  readonly x: Tensor;
  readonly labels: ArrayLike<number>;
  readonly loss: Tensor;
  readonly labelSmoothing: number;
}

function teach({ teacher, alpha, temperature, beta }: Teaching, { x, labels, logits, attention, loss, labelSmoothing }: Student): Tensor[] {
  const taught = noGrad(() => teacher.forwardWithAttention(x, { training: false }));
  const fromProbabilities = alpha === 0 ? loss : distillation(logits, taught.logits, labels, { alpha, temperature, labelSmoothing });
  return beta === 0 ? [fromProbabilities] : [fromProbabilities, attentionTransfer(attention, taught.attention, beta)];
}
