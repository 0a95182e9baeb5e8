/** Evaluates a network on labelled images: mean loss, accuracy, and the confusion matrix. */

import type { Context } from "../core/context.ts";
import { checkNumbers } from "../core/numbers.ts";
import { checkOptions, type OptionNames, optionNames } from "../core/options.ts";
import type { Batch } from "../data/batches.ts";
import type { NetworkOutput } from "../models/network-output.ts";
import { crossEntropy } from "../nn/losses.ts";
import type { Module } from "../nn/module.ts";
import { tensor } from "../ops/creation.ts";
import { argmax } from "../ops/reductions.ts";
import { detach, noGrad } from "../tape/tape.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** A network that classifies images: x:[N,C,H,W] → logits:[N,classes]. */
export interface Classifier extends Module {
  forward(x: Tensor, context: Context): Tensor;
}

/** A classifier that also returns its attention maps, so that it can be a teacher or a student. */
export interface AttentiveClassifier extends Classifier {
  forwardWithAttention(x: Tensor, context: Context): NetworkOutput;
}

/** Channels, height and width of the images. */
export type ImageShape = readonly [number, number, number];

export type Batches = Iterable<Batch> | AsyncIterable<Batch>;

export interface Evaluation {
  readonly count: number;
  /** Mean cross-entropy, without label smoothing. */
  readonly loss: number;
  /** Share of the images whose prediction is right, in [0, 1]. */
  readonly accuracy: number;
  /** confusion[label][prediction] is a number of images. */
  readonly confusion: readonly (readonly number[])[];
}

export interface EvaluateOptions {
  readonly imageShape: ImageShape;
  readonly classes: number;
  /** Computes the logits of a batch. Default: `model.forward(x, context)`. `augmentedLogits` averages over views of each image. */
  readonly predict?: ((model: Classifier, x: Tensor, context: Context) => Tensor) | undefined;
  /** Stops the evaluation between two batches when aborted. */
  readonly signal?: AbortSignal | undefined;
  /** Called after each batch with the number of images done so far. It is awaited, so it can let the event loop turn. */
  readonly onBatch?: ((done: number) => void | Promise<void>) | undefined;
}

/** The names of `EvaluateOptions`. */
export const evaluateOptions: OptionNames = optionNames<EvaluateOptions>({
  imageShape: true,
  classes: true,
  predict: true,
  signal: true,
  onBatch: true,
});

/** The batch as a tensor [count,C,H,W]. */
export const imagesOf = ({ images, count }: Batch, shape: ImageShape): Tensor => tensor(images, { shape: [count, ...shape] });

const forward = (model: Classifier, x: Tensor, context: Context): Tensor => model.forward(x, context);

/** Evaluates the network in evaluation mode, without recording gradients. Undefined when aborted. */
export async function evaluate(model: Classifier, batches: Batches, options: EvaluateOptions): Promise<Evaluation | undefined> {
  checkOptions("evaluate", options, evaluateOptions);
  const { imageShape, classes, predict = forward, signal, onBatch } = options;
  checkNumbers("evaluate", { classes }, { integer: true, least: 1 });
  const confusion = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  let [count, loss, correct] = [0, 0, 0];
  for await (const batch of batches) {
    if (signal?.aborted) return undefined;
    const result = scope(() =>
      noGrad(() => {
        const logits = predict(model, imagesOf(batch, imageShape), { training: false });
        return { loss: detach(crossEntropy(logits, batch.labels)), predictions: argmax(logits) };
      }),
    );
    const predictions = await result.predictions.data();
    loss += (await result.loss.item()) * batch.count;
    result.predictions.dispose();
    result.loss.dispose();
    batch.labels.forEach((label, n) => {
      const prediction = predictions[n]!;
      confusion[label]![prediction]!++;
      if (label === prediction) correct++;
    });
    count += batch.count;
    await onBatch?.(count);
  }
  return signal?.aborted ? undefined : { count, loss: loss / count, accuracy: correct / count, confusion };
}

/** Share of each class's images whose prediction is right; undefined for a class without images. */
export const classAccuracies = ({ confusion }: Pick<Evaluation, "confusion">): (number | undefined)[] =>
  confusion.map((row, label) => {
    const images = row.reduce((total, n) => total + n, 0);
    return images === 0 ? undefined : row[label]! / images;
  });
