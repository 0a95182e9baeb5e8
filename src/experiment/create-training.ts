/**
 * The trainer of a run and the plan of its batches, from the settings. What prepares the batches is the caller's choice: worker threads in
 * Node (node/session.ts), or the same thread in a browser.
 */

import { ConfigError } from "../core/errors.ts";
import { Random } from "../core/random.ts";
import type { EpochOptions } from "../data/batches.ts";
import type { DatasetFacts } from "../data/dataset.ts";
import { isWhitened } from "../models/whitening.ts";
import type { AttentiveClassifier, Batches, ImageShape } from "../train/evaluate.ts";
import { frobeniusPenalty } from "../train/frobenius-decay.ts";
import { createObjective, type Teaching } from "../train/objective.ts";
import { Trainer, type TrainerOptions } from "../train/trainer.ts";
import { parseAugmentation } from "./augment-spec.ts";
import { compressionRatio } from "./compression-ratio.ts";
import { createNetwork, type Network } from "./network-spec.ts";
import { createOptimizer, createSchedule, dropPathSchedule, structuredDecay } from "./recipe.ts";
import type { Settings } from "./setting-rules.ts";
import { familyOptionsOf, networkOf } from "./settings.ts";

/** Keys of the random streams that are forked from the seed of the run, one for each purpose. */
const streams = { init: 0, batches: 1, dropout: 2 } as const;

/** The facts about the training images that a trainer needs. */
export interface TrainingImages {
  /** Channels, height and width. */
  readonly shape: ImageShape;
  readonly count: number;
  readonly classes: number;
}

/** A data set, and the number of images to train on. */
type TrainedOn = Pick<DatasetFacts, "classes" | "channels" | "height" | "width"> & { readonly train: { readonly count: number } };

/** The new network of a run, with the numbers of its initialisation. @throws ConfigError for settings that the network refuses. */
export const createRunNetwork = (settings: Settings, classes: number): Network =>
  createNetwork(networkOf(settings), classes, { random: new Random(settings.seed).fork(streams.init) }, familyOptionsOf(settings));

/** Makes the trainer of `model`, before its first step. @throws ConfigError for settings that the optimiser or the schedule refuses. */
export const createTrainer = (settings: Settings, model: AttentiveClassifier, images: TrainingImages, teaching?: Teaching): Trainer =>
  new Trainer(optionsOfTrainer(settings, model, images, teaching));

/** What the trainer of a run is made with. @throws ConfigError for settings that the optimiser or the schedule refuses. */
export function optionsOfTrainer(
  settings: Settings,
  model: AttentiveClassifier,
  images: TrainingImages,
  teaching?: Teaching,
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

/** @throws ConfigError for images that have not the three channels that the networks take. */
export function trainingImages({ channels, height, width, classes, train }: TrainedOn): TrainingImages {
  if (channels !== 3)
    throw new ConfigError(`train: the images must have the three channels that the networks take, got ${channels}; repeat a grey one`);
  return { shape: [channels, height, width], count: train.count, classes: classes.length };
}

/** The batches of an epoch of training: which images, in which order, and how they are augmented. */
export function trainEpochOptions(settings: Settings, epoch: number, startBatch: number): EpochOptions {
  const { batchSize, dropLast = false } = settings;
  const seed = new Random(settings.seed).fork(streams.batches).bits();
  return { batchSize, seed, epoch, shuffle: true, dropLast, augment: parseAugmentation(settings.augment), startBatch, reuse: true };
}

/** The test images in order, without augmentation. */
export const testEpochOptions = (batchSize: number): EpochOptions => ({ batchSize, seed: 0, epoch: 0, reuse: true });

/** The number of training images by which a first layer is whitened. */
const whiteningImages = 5000;

/**
 * Initialises what the network takes from the training images: its whitening layer, where it has one. It belongs before the first step of a
 * new run. A checkpoint holds the result.
 * @param batches Prepares training images.
 */
export async function whitenFrom(model: object, dataset: TrainedOn, batches: (options: EpochOptions) => Batches): Promise<void> {
  if (!isWhitened(model)) return;
  const batchSize = Math.min(whiteningImages, dataset.train.count);
  for await (const { images, count } of batches({ batchSize, seed: 0, epoch: 0 })) {
    model.whiten(images, [count, dataset.channels, dataset.height, dataset.width]);
    return;
  }
}
