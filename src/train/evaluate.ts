/** How well a network does on images it has not seen: mean loss, accuracy, and which class is taken for which. */

import type { Context } from "../core/context.ts";
import type { Batch } from "../data/batches.ts";
import type { NetworkOutput } from "../models/network-output.ts";
import { crossEntropy } from "../nn/losses.ts";
import type { Module } from "../nn/module.ts";
import { tensor } from "../ops/creation.ts";
import { argmax } from "../ops/reductions.ts";
import { detach, noGrad } from "../tape/tape.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** A network from images to class scores. x:[N,C,H,W] → logits:[N,classes]. */
export interface Classifier extends Module {
  forward(x: Tensor, context: Context): Tensor;
}

/** A classifier that also says where it looks, so that it can teach and be taught. */
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
  readonly accuracy: number;
  /** confusion[label][prediction] images. */
  readonly confusion: readonly (readonly number[])[];
}

export interface EvaluateOptions {
  readonly imageShape: ImageShape;
  readonly classes: number;
  /** Stops between batches when aborted. */
  readonly signal?: AbortSignal | undefined;
  /** After each batch, with the images done; awaited, so that it can let the event loop turn. */
  readonly onBatch?: ((done: number) => void | Promise<void>) | undefined;
}

/** The batch as a tensor [count,C,H,W]. */
export const imagesOf = ({ images, count }: Batch, shape: ImageShape): Tensor => tensor(images, { shape: [count, ...shape] });

/** Evaluates in evaluation mode and without recording; undefined when aborted. */
export async function evaluate(model: Classifier, batches: Batches, options: EvaluateOptions): Promise<Evaluation | undefined> {
  const { imageShape, classes, signal, onBatch } = options;
  const confusion = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  let [count, loss, correct] = [0, 0, 0];
  for await (const batch of batches) {
    if (signal?.aborted) return undefined;
    const result = scope(() =>
      noGrad(() => {
        const logits = model.forward(imagesOf(batch, imageShape), { training: false });
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

/** Accuracy of each class: the share of its images taken for it; undefined for a class without images. */
export const classAccuracies = ({ confusion }: Evaluation): (number | undefined)[] =>
  confusion.map((row, label) => {
    const images = row.reduce((total, n) => total + n, 0);
    return images === 0 ? undefined : row[label]! / images;
  });
