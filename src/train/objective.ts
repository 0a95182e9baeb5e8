/** The objective that a training step minimises: losses from labels, a teacher and an auxiliary classifier, and penalties. */

import type { Context } from "../core/context.ts";
import { checkNumbers } from "../core/numbers.ts";
import { checkOptions, type OptionNames, optionNames } from "../core/options.ts";
import type { Batch, TaughtOutput } from "../data/batches.ts";
import type { MixedLabels } from "../data/mixup.ts";
import type { NetworkOutput } from "../models/network-output.ts";
import { attentionTransfer, distillation } from "../nn/distillation.ts";
import { crossEntropy } from "../nn/losses.ts";
import { tensor } from "../ops/creation.ts";
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
  /** The terms whose sum is the objective. An error about a number that is not finite names one of them. Default: the objective. */
  readonly terms?: readonly ObjectiveTerm[];
}

/** A part of the objective. */
export interface ObjectiveTerm {
  readonly name: string;
  readonly value: Tensor;
  /** What makes the term smaller, in words that complete "lower …". */
  readonly lowered: string;
}

/** What a batch may hold beside its images and labels: second labels, where mixup has averaged images, and what a teacher computed. */
export type BatchExtras = Pick<Batch, "mixed" | "taught">;

/** x:[N,C,H,W] and N labels → the step's losses. */
export type Objective = (x: Tensor, labels: ArrayLike<number>, context: Context, batch?: BatchExtras) => StepLoss;

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

/** What makes the terms of the labels smaller. */
const learningRate = "the learning rate";

const penaltyOf = (penalty: LabelOptions["penalty"], model: Classifier): ObjectiveTerm[] => {
  const value = penalty?.(model);
  return value === undefined ? [] : [{ name: "the penalty", value, lowered: "the weight decay" }];
};

const withTerms = (logits: Tensor, loss: Tensor, terms: readonly ObjectiveTerm[]): StepLoss => ({
  logits,
  loss,
  objective: terms.map(({ value }) => value).reduce(add),
  terms,
});

/** λ·loss(labels) + (1 − λ)·loss(second labels); loss(labels) for images that are not mixed (arXiv 1710.09412). */
function overLabels(loss: (labels: ArrayLike<number>) => Tensor, labels: ArrayLike<number>, mixed: MixedLabels | undefined): Tensor {
  if (mixed === undefined) return loss(labels);
  return add(multiply(loss(labels), mixed.share), multiply(loss(mixed.labels), 1 - mixed.share));
}

/** The objective crossEntropy + penalty, where the penalty is optional. */
export function learnFromLabels(model: Classifier, options: LabelOptions = {}): Objective {
  checkOptions("learnFromLabels", options, labelOptions);
  const { labelSmoothing = 0, penalty } = options;
  checkNumbers("learnFromLabels", { labelSmoothing }, { least: 0, most: 1 });
  return (x, labels, context, { mixed } = {}) => {
    const logits = model.forward(x, context);
    const loss = overLabels((each) => crossEntropy(logits, each, { labelSmoothing }), labels, mixed);
    return withTerms(logits, loss, [{ name: "cross-entropy", value: loss, lowered: learningRate }, ...penaltyOf(penalty, model)]);
  };
}

/**
 * The objective distillation + attentionTransfer + auxiliaryWeight·crossEntropy(auxiliary) + penalty, where each term is optional. Without
 * a teacher, cross-entropy takes the place of distillation. The teacher sees the same images as the student, in evaluation mode and without
 * recording gradients, unless the batch already holds what it computes (`taughtBatches`).
 */
export function createObjective(model: AttentiveClassifier, options: ObjectiveOptions): Objective {
  checkOptions("createObjective", options, objectiveOptions);
  const { teaching, auxiliaryWeight = 0, ...fromLabels } = options;
  checkNumbers("createObjective", { auxiliaryWeight }, { least: 0 });
  if (teaching !== undefined) {
    checkNumbers("createObjective", { alpha: teaching.alpha }, { least: 0, most: 1 });
    checkNumbers("createObjective", { temperature: teaching.temperature }, { above: 0 });
    checkNumbers("createObjective", { beta: teaching.beta }, { least: 0 });
  }
  if (teaching === undefined && auxiliaryWeight === 0) return learnFromLabels(model, fromLabels);
  const { labelSmoothing = 0, penalty } = fromLabels;
  checkNumbers("createObjective", { labelSmoothing }, { least: 0, most: 1 });
  return (x, labels, context, { mixed, taught } = {}) => {
    const { logits, attention, auxiliary } = model.forwardWithAttention(x, context);
    const loss = overLabels((each) => crossEntropy(logits, each, { labelSmoothing }), labels, mixed);
    const teacherTerms =
      teaching === undefined
        ? [{ name: "cross-entropy", value: loss, lowered: learningRate }]
        : teach(teaching, { x, labels, mixed, taught, logits, attention, loss, labelSmoothing });
    const auxiliaryTerms =
      auxiliary && auxiliaryWeight > 0
        ? [
            {
              name: "the auxiliary classifier's cross-entropy",
              value: multiply(
                overLabels((each) => crossEntropy(auxiliary, each, { labelSmoothing }), labels, mixed),
                auxiliaryWeight,
              ),
              lowered: "its weight (auxiliaryWeight, --auxiliary)",
            },
          ]
        : [];
    return withTerms(logits, loss, [...teacherTerms, ...auxiliaryTerms, ...penaltyOf(penalty, model)]);
  };
}

/** Arrays of `count` rows as tensors. */
function asTensors({ logits, attention }: TaughtOutput, count: number): NetworkOutput {
  const rows = (data: Float32Array): Tensor => tensor(data, { shape: [count, data.length / count] });
  return { logits: rows(logits), attention: attention.map(rows) };
}

interface Student extends NetworkOutput {
  readonly x: Tensor;
  readonly labels: ArrayLike<number>;
  readonly mixed: MixedLabels | undefined;
  readonly taught: TaughtOutput | undefined;
  readonly loss: Tensor;
  readonly labelSmoothing: number;
}

function teach(
  { teacher, alpha, temperature, beta }: Teaching,
  { x, labels, mixed, taught: known, logits, attention, loss, labelSmoothing }: Student,
): ObjectiveTerm[] {
  const taught = known ? asTensors(known, x.shape[0]!) : noGrad(() => teacher.forwardWithAttention(x, { training: false }));
  const fromProbabilities: ObjectiveTerm =
    alpha === 0
      ? { name: "cross-entropy", value: loss, lowered: learningRate }
      : {
          name: "distillation",
          value: overLabels((each) => distillation(logits, taught.logits, each, { alpha, temperature, labelSmoothing }), labels, mixed),
          lowered: "the learning rate or the temperature",
        };
  if (beta === 0) return [fromProbabilities];
  const value = attentionTransfer(attention, taught.attention, beta);
  return [fromProbabilities, { name: "attention transfer", value, lowered: "its weight beta (--beta)" }];
}
