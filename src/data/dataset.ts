/** Labelled images in memory, as bytes. Every source of data produces this, and every batch is made of it. */

import { ConfigError, DataError } from "../core/errors.ts";

/** One half of a data set. */
export interface ImageSplit {
  /** [count,C,H,W], each pixel in 0 … 255. */
  readonly images: Uint8Array;
  /** [count]: indices into the classes. */
  readonly labels: Uint8Array;
  readonly count: number;
}

export type SplitName = "train" | "test";

export interface ImageDataset {
  readonly name: string;
  readonly classes: readonly string[];
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  readonly train: ImageSplit;
  readonly test: ImageSplit;
  /** The number per channel that batches subtract from pixels scaled to [0, 1]. */
  readonly mean: readonly number[];
  /** The number per channel that batches divide by afterwards. */
  readonly std: readonly number[];
}

/** Bytes that are all 0. Worker threads can read them without a copy, where the platform has shared memory. */
export function sharedBytes(length: number): Uint8Array {
  // Browsers offer SharedArrayBuffer to cross-origin isolated pages only.
  return typeof SharedArrayBuffer === "undefined" ? new Uint8Array(length) : new Uint8Array(new SharedArrayBuffer(length));
}

/** A split for the caller to fill, in shared memory. */
export function allocateSplit(count: number, imageBytes: number): ImageSplit {
  return { images: sharedBytes(count * imageBytes), labels: sharedBytes(count), count };
}

/**
 * Mean and standard deviation per channel over all images, of pixels scaled to [0, 1]: μ = Σx/n, σ = √(Σx²/n − μ²).
 * @throws DataError on an empty split.
 */
export function channelStatistics(split: ImageSplit, channels: number): { mean: number[]; std: number[] } {
  if (split.count === 0) throw new DataError("channelStatistics: needs at least one image, got 0");
  const plane = split.images.length / (split.count * channels);
  const sum = new Array<number>(channels).fill(0);
  const squares = new Array<number>(channels).fill(0);
  // The sums are exact, because integers below 2⁵³ add without rounding.
  for (let n = 0, i = 0; n < split.count; n++)
    for (let c = 0; c < channels; c++) {
      let planeSum = 0;
      let planeSquares = 0;
      for (const end = i + plane; i < end; i++) {
        const value = split.images[i]!;
        planeSum += value;
        planeSquares += value * value;
      }
      sum[c]! += planeSum;
      squares[c]! += planeSquares;
    }
  const pixels = split.count * plane;
  const mean = sum.map((total) => total / pixels / 255);
  const std = squares.map((total, c) => Math.sqrt(total / pixels / 255 ** 2 - mean[c]! ** 2));
  return { mean, std };
}

/**
 * The first images of each split, without copying pixels. A limit that is left out keeps the whole split.
 * @throws ConfigError when a split has fewer.
 */
export function limitDataset(dataset: ImageDataset, limits: { train?: number; test?: number }): ImageDataset {
  const imageBytes = dataset.channels * dataset.height * dataset.width;
  const limited = (name: SplitName): ImageSplit => {
    const split = dataset[name];
    const count = limits[name] ?? split.count;
    if (!Number.isInteger(count) || count < 1 || count > split.count)
      throw new ConfigError(`limitDataset: ${name} must be an integer in [1, ${split.count}], got ${count}`);
    return { images: split.images.subarray(0, count * imageBytes), labels: split.labels.subarray(0, count), count };
  };
  return { ...dataset, train: limited("train"), test: limited("test") };
}
