/** Everything a training run works with, made from its settings alone. */

import { Random } from "../core/random.ts";
import type { ImageDataset, SplitName } from "../data/dataset.ts";
import { prefetchBatches } from "../data/node/prefetch-batches.ts";
import { attentionTransfer } from "../nn/distillation.ts";
import { zeros } from "../ops/creation.ts";
import { noGrad } from "../tape/tape.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { AttentiveClassifier, Batches, ImageShape } from "../train/evaluate.ts";
import { frobeniusPenalty } from "../train/frobenius-decay.ts";
import { createObjective, type Teaching } from "../train/objective.ts";
import { Trainer } from "../train/trainer.ts";
import { parseAugmentation } from "./augment-spec.ts";
import { compressionRatio } from "./compression-ratio.ts";
import { createNetwork } from "./network-spec.ts";
import {
  createOptimizer,
  createSchedule,
  dropPathSchedule,
  familyOptionsOf,
  networkOf,
  type Settings,
  structuredDecay,
} from "./settings.ts";

// Keys of the streams forked from the run's seed, one for each thing that chance decides.
const streams = { init: 0, batches: 1, dropout: 2 } as const;

export interface Session {
  readonly trainer: Trainer;
  trainBatches(epoch: number, startBatch: number): Batches;
  testBatches(): Batches;
}

/** What a trainer needs to know of the images: channels, height and width, how many there are, and of how many classes. */
interface TrainingImages {
  readonly shape: ImageShape;
  readonly count: number;
  readonly classes: number;
}

/** The trainer of `model` before its first step. @throws ConfigError for settings that optimiser or schedule refuse. */
export function createTrainer(settings: Settings, model: AttentiveClassifier, images: TrainingImages, teaching?: Teaching): Trainer {
  const isStructured = [...model.parameters().values()].some(({ decay }) => decay === "compressed");
  const decay = structuredDecay(settings, () => (isStructured ? compressionRatio(networkOf(settings), images.classes, model) : 1));
  return new Trainer({
    model,
    optimizer: createOptimizer(settings, model, decay),
    schedule: createSchedule(settings),
    imageShape: images.shape,
    batchesPerEpoch: (settings.dropLast ? Math.floor : Math.ceil)(images.count / settings.batchSize),
    objective: createObjective(model, {
      labelSmoothing: settings.labelSmoothing,
      teaching,
      auxiliaryWeight: settings.auxiliary ?? 0,
      penalty: settings.frobeniusDecay ? (trained) => frobeniusPenalty(trained, decay) : undefined,
    }),
    dropPath: dropPathSchedule(settings),
    random: new Random(settings.seed).fork(streams.dropout),
  });
}

/** @throws ConfigError for settings that network, optimiser or schedule refuse, ShapeError for a teacher that looks at other places. */
export function createSession(
  settings: Settings,
  dataset: ImageDataset,
  teaching: Teaching | undefined,
  onNote: (note: string) => void,
): Session {
  const root = new Random(settings.seed);
  const { batchSize, dropLast = false } = settings;
  const classes = dataset.classes.length;
  const model = createNetwork(networkOf(settings), classes, { random: root.fork(streams.init) }, familyOptionsOf(settings));
  const shape = [dataset.channels, dataset.height, dataset.width] as const;
  if (teaching !== undefined) checkPair(model, teaching, shape);
  const trainer = createTrainer(settings, model, { shape, count: dataset.train.count, classes }, teaching);
  const seed = root.fork(streams.batches).bits();
  const augment = parseAugmentation(settings.augment);
  return {
    trainer,
    trainBatches: (epoch, startBatch) =>
      batchesOf(dataset, "train", { batchSize, seed, epoch, shuffle: true, dropLast, augment, startBatch }, onNote),
    testBatches: () => testBatches(dataset, batchSize, onNote),
  };
}

/** Shows both an empty image, so that a teacher of no use is refused before anything is written. */
const checkPair = (student: AttentiveClassifier, { teacher, beta }: Teaching, shape: ImageShape): void =>
  scope(() =>
    noGrad(() => {
      const look = (network: AttentiveClassifier): readonly Tensor[] =>
        network.forwardWithAttention(zeros([1, ...shape]), { training: false }).attention;
      if (beta > 0) attentionTransfer(look(student), look(teacher), beta);
    }),
  );

/** The test split in order, as it is. */
export const testBatches = (dataset: ImageDataset, batchSize: number, onNote: (note: string) => void): Batches =>
  batchesOf(dataset, "test", { batchSize, seed: 0, epoch: 0 }, onNote);

const batchesOf = (
  dataset: ImageDataset,
  split: SplitName,
  options: Parameters<typeof prefetchBatches>[2],
  onNote: (note: string) => void,
): Batches =>
  prefetchBatches(dataset, split, {
    ...options,
    onMainThread: (reason) => onNote(`batches are prepared on the main thread: ${reason}`),
  });
