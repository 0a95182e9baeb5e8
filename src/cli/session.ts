/** Everything a training run works with, made from its settings alone. */

import { Random } from "../core/random.ts";
import type { ImageDataset, SplitName } from "../data/dataset.ts";
import { prefetchBatches } from "../data/node/prefetch-batches.ts";
import type { Batches } from "../train/evaluate.ts";
import { frobeniusPenalty } from "../train/frobenius-decay.ts";
import { Trainer } from "../train/trainer.ts";
import { parseAugmentation } from "./augment-spec.ts";
import { compressionRatio } from "./compression-ratio.ts";
import { createOptimizer, createSchedule, familyOptionsOf, networkOf, type Settings, structuredDecay } from "./settings.ts";
import { createNetwork } from "./spec.ts";

// Keys of the streams forked from the run's seed, one for each thing that chance decides.
const streams = { init: 0, batches: 1, dropout: 2 } as const;

export interface Session {
  readonly trainer: Trainer;
  trainBatches(epoch: number, startBatch: number): Batches;
  testBatches(): Batches;
}

/** @throws ConfigError for settings that network, optimiser or schedule refuse. */
export function createSession(settings: Settings, dataset: ImageDataset, onNote: (note: string) => void): Session {
  const root = new Random(settings.seed);
  const { batchSize, labelSmoothing } = settings;
  const network = networkOf(settings);
  const classes = dataset.classes.length;
  const model = createNetwork(network, classes, { random: root.fork(streams.init) }, familyOptionsOf(settings));
  const isStructured = [...model.parameters().values()].some(({ decay }) => decay === "compressed");
  const decay = structuredDecay(settings, () => (isStructured ? compressionRatio(network, classes, model) : 1));
  const trainer = new Trainer({
    model,
    optimizer: createOptimizer(settings, model, decay),
    schedule: createSchedule(settings),
    imageShape: [dataset.channels, dataset.height, dataset.width],
    batchesPerEpoch: Math.ceil(dataset.train.count / batchSize),
    labelSmoothing,
    penalty: settings.frobeniusDecay ? (trained) => frobeniusPenalty(trained, decay) : undefined,
    random: root.fork(streams.dropout),
  });
  const seed = root.fork(streams.batches).bits();
  const augment = parseAugmentation(settings.augment);
  return {
    trainer,
    trainBatches: (epoch, startBatch) =>
      batchesOf(dataset, "train", { batchSize, seed, epoch, shuffle: true, augment, startBatch }, onNote),
    testBatches: () => testBatches(dataset, batchSize, onNote),
  };
}

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
