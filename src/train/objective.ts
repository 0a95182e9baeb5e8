/** What a training step minimises, as a function of its batch: labels, a teacher, an auxiliary classifier and penalties, each where asked for. */

import type { Context } from "../core/context.ts";
import type { NetworkOutput } from "../models/network-output.ts";
import { attentionTransfer, distillation } from "../nn/distillation.ts";
import { crossEntropy } from "../nn/losses.ts";
import { add, multiply } from "../ops/elementwise.ts";
import { noGrad } from "../tape/tape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { AttentiveClassifier, Classifier } from "./evaluate.ts";

export interface StepLoss {
  /** [N,classes]. */
  readonly logits: Tensor;
  /** Cross-entropy with the labels: what is reported, comparable between runs whatever else they minimise. */
  readonly loss: Tensor;
  /** What is minimised. */
  readonly objective: Tensor;
}

/** x:[N,C,H,W] and N labels → the step's losses. */
export type Objective = (x: Tensor, labels: ArrayLike<number>, context: Context) => StepLoss;

/** A trained network to learn from, and how (docs/faithfulness.md). */
export interface Teaching {
  readonly teacher: AttentiveClassifier;
  /** Share of the teacher's probabilities against the labels, in [0, 1]. */
  readonly alpha: number;
  readonly temperature: number;
  /** Weight of attention transfer. */
  readonly beta: number;
}

export interface LabelOptions {
  readonly labelSmoothing?: number;
  /** Added to what is minimised. */
  readonly penalty?: ((model: Classifier) => Tensor | undefined) | undefined;
}

export interface ObjectiveOptions extends LabelOptions {
  readonly teaching?: Teaching | undefined;
  /** Weight of the auxiliary classifier's cross-entropy, for networks that have one: 0.4 in DARTS. */
  readonly auxiliaryWeight?: number;
}

const sumOf = (terms: readonly (Tensor | undefined)[]): Tensor => terms.filter((term) => term !== undefined).reduce(add);

/** Cross-entropy with the labels, and a penalty where there is one. */
export const learnFromLabels =
  (model: Classifier, { labelSmoothing = 0, penalty }: LabelOptions = {}): Objective =>
  (x, labels, context) => {
    const logits = model.forward(x, context);
    const loss = crossEntropy(logits, labels, { labelSmoothing });
    return { logits, loss, objective: sumOf([loss, penalty?.(model)]) };
  };

/**
 * distillation (or cross-entropy) + attentionTransfer + auxiliaryWeight·crossEntropy(auxiliary) + penalty, each term only where asked for. The
 * teacher sees the very images the student sees, in evaluation mode and without recording.
 */
export function createObjective(model: AttentiveClassifier, { teaching, auxiliaryWeight = 0, ...fromLabels }: ObjectiveOptions): Objective {
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
