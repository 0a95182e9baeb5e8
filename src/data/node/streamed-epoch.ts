/**
 * The batches of an epoch whose images are decoded from files. Everything random about an image depends on nothing but (seed, epoch,
 * image). So images can be decoded in any order and on any thread.
 */

import { Random } from "../../core/random.ts";
import { alternatingFlips } from "../alternating-flips.ts";
import { type Augmentation, augmentImage, createAugmenter } from "../augment.ts";
import { type Batch, type EpochOptions, mixedBatch, orderEpoch } from "../batches.ts";
import type { DatasetFacts, SplitName, StreamedDataset } from "../dataset.ts";
import { randomRegion } from "../resized-crop.ts";
import { decodeImage } from "./decode-image.ts";

/** An image to decode: its file, and its position in the split. */
export interface ImageTask {
  readonly path: string;
  readonly image: number;
}

/** What decides the pixels of an image, beside its file. */
export interface DecodeSettings {
  readonly facts: Pick<DatasetFacts, "channels" | "height" | "width" | "mean" | "std">;
  readonly resize: number;
  readonly seed: number;
  readonly epoch: number;
  readonly augment: Augmentation | undefined;
}

/** Decodes, augments and normalises images → [count,3,H,W]. @throws DataError naming the image that cannot be decoded. */
export type ImageDecoder = (tasks: readonly ImageTask[]) => Promise<Float32Array<ArrayBuffer>>;

/** @throws ConfigError for a wrong augmentation or normalisation. */
export function createDecoder({ facts, resize, seed, epoch, augment }: DecodeSettings): ImageDecoder {
  const augmenter = createAugmenter({ ...facts, augment });
  const { channels, height, width } = facts;
  const imageSize = channels * height * width;
  const stream = new Random(seed).fork(epoch);
  const isMirrored = alternatingFlips(seed, epoch);
  return async (tasks) => {
    const out = new Float32Array(tasks.length * imageSize);
    for (const [n, { path, image }] of tasks.entries()) {
      // Key 0 is the order of the epoch.
      const random = stream.fork(1 + image);
      const region = augment?.resizedCrop ? (w: number, h: number) => randomRegion(w, h, random) : undefined;
      const pixels = await decodeImage(path, { size: height, resize, region });
      augmentImage(augmenter, pixels, 0, out, n * imageSize, random, isMirrored(image));
    }
    return out;
  };
}

/** The images and labels of each batch, and how to decode them. */
export interface StreamedEpoch {
  readonly batchCount: number;
  readonly startBatch: number;
  readonly settings: DecodeSettings;
  tasksOf(index: number): ImageTask[];
  /** A batch of images that have been decoded. */
  batchOf(index: number, images: Float32Array): Batch;
}

/** Lays out an epoch. @throws ConfigError */
export function planStreamedEpoch(dataset: StreamedDataset, splitName: SplitName, options: EpochOptions): StreamedEpoch {
  const { channels, height, width, mean, std, resize } = dataset;
  const split = dataset[splitName];
  const { batchCount, startBatch, imagesOf } = orderEpoch(dataset, splitName, options);
  const { seed, epoch, augment } = options;
  const settings = { facts: { channels, height, width, mean, std }, resize, seed, epoch, augment };
  // A worker would report a wrong augmentation too late.
  createAugmenter({ ...settings.facts, augment });
  return {
    batchCount,
    startBatch,
    settings,
    tasksOf: (index) => imagesOf(index).map((image) => ({ path: split.paths[image]!, image })),
    batchOf: (index, images) => {
      const labels = Int32Array.from(imagesOf(index), (image) => split.labels[image]!);
      return mixedBatch({ index, count: labels.length, images, labels }, options);
    },
  };
}
