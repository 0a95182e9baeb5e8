/**
 * The batches of an epoch. Each batch depends on nothing but (seed, epoch, batch index). So batches can be prepared in any order and on any
 * thread, and an epoch that is resumed at batch k continues with the same bits.
 */

import { ConfigError } from "../core/errors.ts";
import { checkNumbers } from "../core/numbers.ts";
import { checkOptions, type OptionNames, optionNames } from "../core/options.ts";
import { Random } from "../core/random.ts";
import { alternatingFlips } from "./alternating-flips.ts";
import { type Augmentation, augmentImage, createAugmenter } from "./augment.ts";
import { checkSplit, type Dataset, type ImageDataset, type SplitName, sharedBytes } from "./dataset.ts";
import { type MixedLabels, mixStream, mixUp } from "./mixup.ts";

export interface Batch {
  /** Position in the epoch, from 0. */
  readonly index: number;
  readonly count: number;
  /** [count,C,H,W], normalised. */
  readonly images: Float32Array;
  /** [count]. */
  readonly labels: Int32Array;
  /** The second labels of images that mixup has averaged. Default: none, the images are whole. */
  readonly mixed?: MixedLabels;
  /** What a teacher computes for the images. Default: none, the teacher is asked in the step. */
  readonly taught?: TaughtOutput;
}

/** What a teacher computes for the images of a batch. */
export interface TaughtOutput {
  /** [count,classes]. */
  readonly logits: Float32Array;
  /** The attention map of each group of blocks, [count,H·W] each. */
  readonly attention: readonly Float32Array[];
}

export interface EpochOptions {
  readonly batchSize: number;
  readonly seed: number;
  /** Position in the run, from 0. */
  readonly epoch: number;
  /** Whether the images have a new order in every epoch. Default: false, the order of the split. */
  readonly shuffle?: boolean;
  /** Whether a last batch with fewer than batchSize images is left out. Default: false. */
  readonly dropLast?: boolean;
  /** Default: no augmentation. */
  readonly augment?: Augmentation;
  /** The index of the first batch to yield, for a resumed epoch. Default: 0. */
  readonly startBatch?: number;
  /**
   * Whether the memory of a batch's images is used again as soon as the next batch but one is asked for. A training loop is faster with it:
   * garbage of a megabyte a step makes the engine collect often. Default: false, the caller owns each batch.
   */
  readonly reuse?: boolean;
}

/** The names of `EpochOptions`. */
export const epochOptions: OptionNames = optionNames<EpochOptions>({
  batchSize: true,
  seed: true,
  epoch: true,
  shuffle: true,
  dropLast: true,
  augment: true,
  startBatch: true,
  reuse: true,
});

export interface Epoch {
  readonly batchCount: number;
  readonly startBatch: number;
  /** The batch at an index in [0, batchCount). @param memory Room for the images of a batch. Default: new memory. */
  prepare(index: number, memory?: Float32Array): Batch;
}

/** Which images each batch of an epoch holds. */
export interface EpochOrder {
  readonly batchCount: number;
  readonly startBatch: number;
  /** The stream from which everything random in the epoch is forked. Key 0 is taken by the order. */
  readonly stream: Random;
  /** The images of the batch at an index in [0, batchCount). @throws ConfigError for any other index. */
  imagesOf(index: number): number[];
}

// Keys of the streams that are forked from the epoch's stream: stream 0 shuffles the images, stream 1 + i augments batch i.
const orderKey = 0;
const augmentKey = (batch: number): number => 1 + batch;

/** Checks the options and the split, and decides the images of each batch. @throws ConfigError */
export function orderEpoch(dataset: Dataset, splitName: SplitName, options: EpochOptions): EpochOrder {
  checkOptions("epochBatches", options, epochOptions);
  checkSplit(dataset, splitName);
  const { count } = dataset[splitName];
  const { batchSize, seed, epoch, shuffle = false, dropLast = false, startBatch = 0 } = options;
  checkNumbers("epoch", { batchSize }, { integer: true, least: 1 });
  checkNumbers("epoch", { epoch }, { integer: true, least: 0 });
  const batchCount = dropLast ? Math.floor(count / batchSize) : Math.ceil(count / batchSize);
  if (batchCount === 0)
    throw new ConfigError(
      `epoch: the ${splitName} split must fill a batch, got ${count} images, batchSize ${batchSize}, dropLast ${dropLast}`,
    );
  if (!Number.isInteger(startBatch) || startBatch < 0 || startBatch > batchCount)
    throw new ConfigError(`epoch: startBatch must be an integer in [0, ${batchCount}], got ${startBatch}`);
  const stream = new Random(seed).fork(epoch);
  // Drawn when it is needed first: a thread that only counts the batches does not need it.
  let order: Uint32Array | undefined;
  const imagesOf = (index: number): number[] => {
    if (!Number.isInteger(index) || index < 0 || index >= batchCount)
      throw new ConfigError(`epoch: batch index must be an integer in [0, ${batchCount}), got ${index}`);
    const first = index * batchSize;
    if (shuffle) order ??= stream.fork(orderKey).permutation(count);
    return Array.from({ length: Math.min(batchSize, count - first) }, (_, n) => (order ? order[first + n]! : first + n));
  };
  return { batchCount, startBatch, stream, imagesOf };
}

/** The batch after mixup, which works in place; the same batch without mixup. */
export function mixedBatch(batch: Batch, { augment, seed, epoch }: EpochOptions): Batch {
  const { mixup = 0 } = augment ?? {};
  if (mixup === 0) return batch;
  return { ...batch, mixed: mixUp(batch.images, batch.labels, mixup, mixStream(seed, epoch, batch.index)) };
}

/** Lays out an epoch of images in memory. @throws ConfigError */
export function planEpoch(dataset: ImageDataset, splitName: SplitName, options: EpochOptions): Epoch {
  const { augment } = options;
  const split = dataset[splitName];
  if (augment?.resizedCrop)
    throw new ConfigError("epoch: resizedCrop cuts parts from image files, got images in memory; use crop, or stream the images");
  const { batchCount, startBatch, stream, imagesOf } = orderEpoch(dataset, splitName, options);
  const augmenter = createAugmenter({ ...dataset, augment });
  const isMirrored = alternatingFlips(options.seed, options.epoch);
  const imageSize = dataset.channels * dataset.height * dataset.width;

  const prepare = (index: number, memory?: Float32Array): Batch => {
    const members = imagesOf(index);
    const size = members.length * imageSize;
    const images = memory?.subarray(0, size) ?? new Float32Array(size);
    const labels = new Int32Array(members.length);
    const random = stream.fork(augmentKey(index));
    for (const [n, image] of members.entries()) {
      augmentImage(augmenter, split.images, image * imageSize, images, n * imageSize, random, isMirrored(image));
      labels[n] = split.labels[image]!;
    }
    return mixedBatch({ index, count: members.length, images, labels }, options);
  };
  return { batchCount, startBatch, prepare };
}

/**
 * Memory for the images of the batches that exist at one time, in which batch i has place i mod length: the one in use, the next one, and
 * `ahead` others. It is shared, so that any thread can write it. Undefined when each batch has memory of its own.
 */
export function batchRing(
  dataset: Dataset,
  splitName: SplitName,
  { reuse = false, batchSize }: EpochOptions,
  ahead: number,
): readonly Float32Array[] | undefined {
  const { channels, height, width } = dataset;
  const bytes = 4 * Math.min(batchSize, dataset[splitName].count) * channels * height * width;
  return reuse ? Array.from({ length: 2 + ahead }, () => new Float32Array(sharedBytes(bytes).buffer)) : undefined;
}

/** The batches of an epoch, prepared one by one on the calling thread. @throws ConfigError at once, before the first batch. */
export function epochBatches(dataset: ImageDataset, splitName: SplitName, options: EpochOptions): Generator<Batch, void, void> {
  const epoch = planEpoch(dataset, splitName, options);
  const ring = batchRing(dataset, splitName, options, 0);
  return (function* () {
    for (let index = epoch.startBatch; index < epoch.batchCount; index++) yield epoch.prepare(index, ring?.[index % ring.length]);
  })();
}
