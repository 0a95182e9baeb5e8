/** Makes the trainer and the batches of a run from its settings. Worker threads prepare the batches, and live until the session is closed. */

import type { Dataset, SplitName } from "../../data/dataset.ts";
import { BatchLoader } from "../../data/node/batch-loader.ts";
import { prefetchBatches } from "../../data/node/prefetch-batches.ts";
import { attentionTransfer } from "../../nn/distillation.ts";
import { zeros } from "../../ops/creation.ts";
import { noGrad } from "../../tape/tape.ts";
import { scope } from "../../tensor/scope.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { AttentiveClassifier, Batches, ImageShape } from "../../train/evaluate.ts";
import type { Teaching } from "../../train/objective.ts";
import { taughtBatches } from "../../train/taught-batches.ts";
import { Trainer, type TrainerOptions } from "../../train/trainer.ts";
import { createRunNetwork, optionsOfTrainer, testEpochOptions, trainEpochOptions, trainingImages, whitenFrom } from "../create-training.ts";
import type { Settings } from "../setting-rules.ts";
import type { Teacher } from "./teacher.ts";

export { createTrainer } from "../create-training.ts";

export interface Session {
  readonly trainer: Trainer;
  /** What the trainer was made with. A search for a learning rate trains with the same. */
  readonly options: TrainerOptions;
  trainBatches(epoch: number, startBatch: number): Batches;
  testBatches(): Batches;
  /** Ends the worker threads that prepare batches. Batches that are asked for later start them again. */
  close(): Promise<void>;
}

/**
 * Makes the session of a run.
 *
 * @throws ConfigError for settings that the network, the optimiser or the schedule refuses, ShapeError for a teacher whose attention maps
 * do not fit those of the student.
 */
export function createSession(settings: Settings, dataset: Dataset, teacher: Teacher | undefined, onNote: (note: string) => void): Session {
  const { teaching, memory } = teacher ?? {};
  const model = createRunNetwork(settings, dataset.classes.length);
  const images = trainingImages(dataset);
  if (teaching !== undefined) checkPair(model, teaching, images.shape);
  const options = optionsOfTrainer(settings, model, images, teaching);
  const loader = new BatchLoader(dataset, { onMainThread: noteOfMainThread(onNote) });
  return {
    trainer: new Trainer(options),
    options,
    trainBatches: (epoch, startBatch) => {
      const batches = loader.batches("train", trainEpochOptions(settings, epoch, startBatch));
      return teaching && memory ? taughtBatches(batches, teaching.teacher, images.shape, memory) : batches;
    },
    testBatches: () => loader.batches("test", testEpochOptions(settings.batchSize)),
    close: () => loader.close(),
  };
}

/** Initialises what the network takes from the training images (`whitenFrom`). */
export const initialiseFromImages = (model: object, dataset: Dataset, onNote: (note: string) => void): Promise<void> =>
  whitenFrom(model, dataset, (options) => batchesOf(dataset, "train", options, onNote));

/** Computes attention transfer on a black image, so that a teacher that does not fit is refused before anything is written. */
const checkPair = (student: AttentiveClassifier, { teacher, beta }: Teaching, shape: ImageShape): void =>
  scope(() =>
    noGrad(() => {
      const attentionOf = (network: AttentiveClassifier): readonly Tensor[] =>
        network.forwardWithAttention(zeros([1, ...shape]), { training: false }).attention;
      if (beta > 0) attentionTransfer(attentionOf(student), attentionOf(teacher), beta);
    }),
  );

/** The test images in order, without augmentation. */
export const testBatches = (dataset: Dataset, batchSize: number, onNote: (note: string) => void): Batches =>
  batchesOf(dataset, "test", testEpochOptions(batchSize), onNote);

const batchesOf = (
  dataset: Dataset,
  split: SplitName,
  options: Parameters<typeof prefetchBatches>[2],
  onNote: (note: string) => void,
): Batches => prefetchBatches(dataset, split, { ...options, onMainThread: noteOfMainThread(onNote) });

const noteOfMainThread = (onNote: (note: string) => void) => (reason: string) =>
  onNote(`batches are prepared on the main thread: ${reason}`);
