/** Makes the trainer and the batches of a run from its settings. */

import { ConfigError } from "../../core/errors.ts";
import { Random } from "../../core/random.ts";
import type { Dataset, SplitName } from "../../data/dataset.ts";
import { prefetchBatches } from "../../data/node/prefetch-batches.ts";
import { isWhitened } from "../../models/whitening.ts";
import { attentionTransfer } from "../../nn/distillation.ts";
import { zeros } from "../../ops/creation.ts";
import { noGrad } from "../../tape/tape.ts";
import { scope } from "../../tensor/scope.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { AttentiveClassifier, Batches, ImageShape } from "../../train/evaluate.ts";
import { frobeniusPenalty } from "../../train/frobenius-decay.ts";
import { createObjective, type Teaching } from "../../train/objective.ts";
import { Trainer, type TrainerOptions } from "../../train/trainer.ts";
import { parseAugmentation } from "../augment-spec.ts";
import { compressionRatio } from "../compression-ratio.ts";
import { createNetwork } from "../network-spec.ts";
import { createOptimizer, createSchedule, dropPathSchedule, structuredDecay } from "../recipe.ts";
import type { Settings } from "../setting-rules.ts";
import { familyOptionsOf, networkOf } from "../settings.ts";

/** Keys of the random streams that are forked from the seed of the run, one for each purpose. */
const streams = { init: 0, batches: 1, dropout: 2 } as const;

export interface Session {
  readonly trainer: Trainer;
  /** What the trainer was made with. A search for a learning rate trains with the same. */
  readonly options: TrainerOptions;
  trainBatches(epoch: number, startBatch: number): Batches;
  testBatches(): Batches;
}

/** The facts about the training images that a trainer needs. */
interface TrainingImages {
  /** Channels, height and width. */
  readonly shape: ImageShape;
  readonly count: number;
  readonly classes: number;
}

/** Makes the trainer of `model`, before its first step. @throws ConfigError for settings that the optimiser or the schedule refuses. */
export const createTrainer = (settings: Settings, model: AttentiveClassifier, images: TrainingImages, teaching?: Teaching): Trainer =>
  new Trainer(optionsOfTrainer(settings, model, images, teaching));

function optionsOfTrainer(
  settings: Settings,
  model: AttentiveClassifier,
  images: TrainingImages,
  teaching: Teaching | undefined,
): TrainerOptions {
  const isStructured = [...model.parameters().values()].some(({ decay }) => decay === "compressed");
  const decay = structuredDecay(settings, () => (isStructured ? compressionRatio(networkOf(settings), images.classes, model) : 1));
  const batchesPerEpoch = (settings.dropLast ? Math.floor : Math.ceil)(images.count / settings.batchSize);
  return {
    model,
    optimizer: createOptimizer(settings, model, decay, settings.epochs * batchesPerEpoch),
    schedule: createSchedule(settings),
    imageShape: images.shape,
    batchesPerEpoch,
    objective: createObjective(model, {
      labelSmoothing: settings.labelSmoothing,
      teaching,
      auxiliaryWeight: settings.auxiliary ?? 0,
      penalty: settings.frobeniusDecay ? (trained) => frobeniusPenalty(trained, decay) : undefined,
    }),
    dropPath: dropPathSchedule(settings),
    random: new Random(settings.seed).fork(streams.dropout),
  };
}

/**
 * Makes the session of a run.
 *
 * @throws ConfigError for settings that the network, the optimiser or the schedule refuses, ShapeError for a teacher whose attention maps
 * do not fit those of the student.
 */
export function createSession(
  settings: Settings,
  dataset: Dataset,
  teaching: Teaching | undefined,
  onNote: (note: string) => void,
): Session {
  const root = new Random(settings.seed);
  const { batchSize, dropLast = false } = settings;
  const classes = dataset.classes.length;
  const model = createNetwork(networkOf(settings), classes, { random: root.fork(streams.init) }, familyOptionsOf(settings));
  if (dataset.channels !== 3)
    throw new ConfigError(
      `train: the images must have the three channels that the networks take, got ${dataset.channels}; repeat a grey one`,
    );
  const shape = [dataset.channels, dataset.height, dataset.width] as const;
  if (teaching !== undefined) checkPair(model, teaching, shape);
  const options = optionsOfTrainer(settings, model, { shape, count: dataset.train.count, classes }, teaching);
  const seed = root.fork(streams.batches).bits();
  const augment = parseAugmentation(settings.augment);
  return {
    trainer: new Trainer(options),
    options,
    trainBatches: (epoch, startBatch) =>
      batchesOf(dataset, "train", { batchSize, seed, epoch, shuffle: true, dropLast, augment, startBatch }, onNote),
    testBatches: () => testBatches(dataset, batchSize, onNote),
  };
}

/** The number of training images by which a first layer is whitened. */
const whiteningImages = 5000;

/**
 * Initialises what the network takes from the training images: its whitening layer, where it has one. It belongs before the first step of a
 * new run. A checkpoint holds the result.
 */
export async function initialiseFromImages(model: object, dataset: Dataset, onNote: (note: string) => void): Promise<void> {
  if (!isWhitened(model)) return;
  const batchSize = Math.min(whiteningImages, dataset.train.count);
  for await (const { images, count } of batchesOf(dataset, "train", { batchSize, seed: 0, epoch: 0 }, onNote)) {
    model.whiten(images, [count, dataset.channels, dataset.height, dataset.width]);
    return;
  }
}

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
  batchesOf(dataset, "test", { batchSize, seed: 0, epoch: 0 }, onNote);

const batchesOf = (
  dataset: Dataset,
  split: SplitName,
  options: Parameters<typeof prefetchBatches>[2],
  onNote: (note: string) => void,
): Batches =>
  prefetchBatches(dataset, split, {
    ...options,
    onMainThread: (reason) => onNote(`batches are prepared on the main thread: ${reason}`),
  });
