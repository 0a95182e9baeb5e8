/** Labelled images, in memory or on a disk. Every source of data produces one of the two, and every batch is made of it. */

import { ConfigError, DataError } from "../core/errors.ts";
import { checkNumbers } from "../core/numbers.ts";
import { isFloat32Array } from "../core/typed-arrays.ts";

/** One label an image: indices into the classes. A set of more than 256 classes needs 16 bits a label. */
export type Labels = Uint8Array | Uint16Array;

/** One half of a data set in memory. */
export interface ImageSplit {
  /** [count,C,H,W]. Bytes are pixels in 0 … 255, and floats are pixels scaled to [0, 1]. */
  readonly images: Uint8Array | Float32Array;
  /** [count]. */
  readonly labels: Labels;
  readonly count: number;
}

/** A split of images in bytes, with at most 256 classes. */
export interface ByteSplit extends ImageSplit {
  readonly images: Uint8Array;
  readonly labels: Uint8Array;
}

/** One half of a data set whose images stay on the disk until a batch needs them. */
export interface StreamedSplit {
  /** [count]: the path of each image. */
  readonly paths: readonly string[];
  /** [count]. */
  readonly labels: Labels;
  readonly count: number;
}

export type SplitName = "train" | "test";

/** What every data set says about its images. */
export interface DatasetFacts {
  readonly name: string;
  readonly classes: readonly string[];
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  /** The number per channel that batches subtract from pixels scaled to [0, 1]. */
  readonly mean: readonly number[];
  /** The number per channel that batches divide by afterwards. */
  readonly std: readonly number[];
}

export interface ImageDataset extends DatasetFacts {
  readonly train: ImageSplit;
  readonly test: ImageSplit;
}

export interface ByteDataset extends ImageDataset {
  readonly train: ByteSplit;
  readonly test: ByteSplit;
}

/** A data set whose images are decoded when a batch needs them. Only Node can read it. Its images are square and have three channels. */
export interface StreamedDataset extends DatasetFacts {
  readonly train: StreamedSplit;
  readonly test: StreamedSplit;
  /** The length in pixels of an image's shorter side before the middle, height × width, is cut out. */
  readonly resize: number;
}

export type Dataset = ImageDataset | StreamedDataset;

/** Whether the images of a data set are on the disk. */
export const isStreamed = (dataset: Dataset): dataset is StreamedDataset => "paths" in dataset.train;

/** Bytes that are all 0. Worker threads can read them without a copy, where the platform has shared memory. */
export function sharedBytes(length: number): Uint8Array {
  // Browsers offer SharedArrayBuffer to cross-origin isolated pages only.
  return typeof SharedArrayBuffer === "undefined" ? new Uint8Array(length) : new Uint8Array(new SharedArrayBuffer(length));
}

/** Room for the labels of `count` images, in shared memory. @throws ConfigError for more than 65,536 classes. */
export function allocateLabels(count: number, classes: number): Labels {
  if (classes > 2 ** 16) throw new ConfigError(`labels: there must be at most 65536 classes, got ${classes}`);
  return classes <= 256 ? sharedBytes(count) : new Uint16Array(sharedBytes(2 * count).buffer);
}

/** A split for the caller to fill, in shared memory. */
export function allocateSplit(count: number, imageBytes: number): ByteSplit {
  return { images: sharedBytes(count * imageBytes), labels: sharedBytes(count), count };
}

/** Sums of pixels and of their squares for each channel, over images in bytes. */
export class ChannelSums {
  readonly #sum: number[];
  readonly #squares: number[];
  #pixels = 0;

  constructor(channels: number) {
    this.#sum = new Array<number>(channels).fill(0);
    this.#squares = new Array<number>(channels).fill(0);
  }

  /** Adds one image, [C,H,W], which starts at `from`. The sums are exact, because integers below 2⁵³ add without rounding. */
  add(images: Uint8Array, from: number, plane: number): void {
    for (let c = 0, i = from; c < this.#sum.length; c++) {
      let planeSum = 0;
      let planeSquares = 0;
      for (const end = i + plane; i < end; i++) {
        const value = images[i]!;
        planeSum += value;
        planeSquares += value * value;
      }
      this.#sum[c]! += planeSum;
      this.#squares[c]! += planeSquares;
    }
    this.#pixels += plane;
  }

  /** μ = Σx/n, σ = √(Σx²/n − μ²), of pixels scaled to [0, 1]. */
  statistics(): ChannelStatistics {
    const mean = this.#sum.map((total) => total / this.#pixels / 255);
    // Rounding can make the difference of a channel with one value negative.
    const std = this.#squares.map((total, c) => Math.sqrt(Math.max(0, total / this.#pixels / 255 ** 2 - mean[c]! ** 2)));
    return { mean, std };
  }
}

/** One number per channel each. */
export interface ChannelStatistics {
  mean: number[];
  std: number[];
}

/**
 * Mean and standard deviation per channel over all images, of pixels scaled to [0, 1].
 * @throws DataError on an empty split.
 */
export function channelStatistics({ images, count }: ImageSplit, channels: number): ChannelStatistics {
  if (count === 0) throw new DataError("channelStatistics: needs at least one image, got 0");
  const plane = images.length / (count * channels);
  if (isFloat32Array(images)) return floatStatistics(images, count, channels, plane);
  const sums = new ChannelSums(channels);
  for (let n = 0; n < count; n++) sums.add(images, n * channels * plane, plane);
  return sums.statistics();
}

/** The same of floats, in two passes: the squares of floats far from 0 would lose digits in one. */
function floatStatistics(images: Float32Array, count: number, channels: number, plane: number): ChannelStatistics {
  const total = (c: number, term: (value: number) => number): number => {
    let sum = 0;
    for (let n = 0; n < count; n++) for (let i = (n * channels + c) * plane, end = i + plane; i < end; i++) sum += term(images[i]!);
    return sum / (count * plane);
  };
  const mean = Array.from({ length: channels }, (_, c) => total(c, (value) => value));
  const std = mean.map((mu, c) => Math.sqrt(total(c, (value) => (value - mu) ** 2)));
  return { mean, std };
}

/**
 * The normalisation that statistics give. A channel that has one value everywhere gets std 1, since it can't be divided by 0
 * (scikit-learn's StandardScaler does the same).
 */
export const normalizationOf = ({ mean, std }: ChannelStatistics): ChannelStatistics => ({ mean, std: std.map((s) => (s === 0 ? 1 : s)) });

/**
 * Checks that a split holds what its count says. Beyond its end a typed array gives undefined, which would silently become a label of 0 or
 * a pixel that is NaN.
 * @throws ConfigError for a count that is no integer ≥ 0, or another number of images or labels.
 */
export function checkSplit(dataset: Dataset, name: SplitName): void {
  const split = dataset[name];
  const { labels, count } = split;
  checkNumbers(`${name} split`, { count }, { integer: true, least: 0 });
  const size = dataset.channels * dataset.height * dataset.width;
  const [what, length, expected] =
    "paths" in split ? ["paths", split.paths.length, count] : ["numbers in images", split.images.length, count * size];
  if (labels.length !== count || length !== expected)
    throw new ConfigError(
      `${name} split: ${count} images must have ${count} labels and ${expected} ${what}, got ${labels.length} and ${length}; ` +
        "make the split with arrayDataset, which checks its arrays",
    );
}

/**
 * The first images of each split, without copying pixels. A limit that is left out keeps the whole split.
 * @throws ConfigError when a split has fewer.
 */
export function limitDataset<T extends ImageDataset>(dataset: T, limits: { train?: number; test?: number }): T {
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
