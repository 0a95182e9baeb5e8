/** Data sets from typed arrays. */

import { ConfigError, ShapeError } from "../core/errors.ts";
import { checkNumbers } from "../core/numbers.ts";
import { checkOptions, type OptionNames, optionNames } from "../core/options.ts";
import { Random } from "../core/random.ts";
import { isFloat32Array, typedArrayName } from "../core/typed-arrays.ts";
import {
  allocateLabels,
  type ChannelStatistics,
  channelStatistics,
  type ImageDataset,
  type ImageSplit,
  normalizationOf,
  sharedBytes,
} from "./dataset.ts";
import { checkShare, divideClass } from "./share.ts";

/** Images and their labels. */
export interface LabelledImages {
  /** [count,C,H,W]. Bytes are pixels in 0 … 255, and floats are pixels scaled to [0, 1]. */
  readonly images: Uint8Array | Float32Array;
  /** [count]: indices into the classes. */
  readonly labels: ArrayLike<number>;
}

export interface ArrayDatasetOptions extends LabelledImages {
  /** [C,H,W], the shape of one image. */
  readonly shape: readonly [channels: number, height: number, width: number];
  /** The names of the classes, in the order of the labels. Default: the numbers "0", "1", … up to the largest label. */
  readonly classes?: readonly string[];
  /** The test images. Default: a seeded share of `images`. */
  readonly test?: LabelledImages;
  /** The share of each class that is tested on, in [0, 1], where `test` is left out. Default: 0.2. */
  readonly testShare?: number;
  /** The seed of that share. Default: 0. */
  readonly seed?: number;
  /** One number per channel, of pixels scaled to [0, 1]. Default: computed from the training images. */
  readonly mean?: readonly number[];
  /** One number above 0 per channel, of pixels scaled to [0, 1]. Default: computed from the training images. */
  readonly std?: readonly number[];
  /** Default: "images". */
  readonly name?: string;
}

/** The names of `ArrayDatasetOptions`. */
export const arrayDatasetOptions: OptionNames = optionNames<ArrayDatasetOptions>({
  images: true,
  labels: true,
  shape: true,
  classes: true,
  test: true,
  testShare: true,
  seed: true,
  mean: true,
  std: true,
  name: true,
});

/**
 * A data set of images in typed arrays. The pixels are copied into memory that worker threads share.
 * @throws ShapeError when the lengths disagree with the shape, ConfigError for a label that is no class or an option out of range.
 */
export function arrayDataset(options: ArrayDatasetOptions): ImageDataset {
  checkOptions("arrayDataset", options, arrayDatasetOptions);
  const { images, labels, shape, test, testShare = 0.2, seed = 0, name = "images" } = options;
  const [channels, height, width] = shape;
  for (const size of shape)
    if (!Number.isInteger(size) || size < 1)
      throw new ShapeError(`arrayDataset: shape must be [C,H,W] of integers ≥ 1, got [${shape.join(",")}]`);
  checkShare("arrayDataset", testShare);
  for (const [name, values, above] of [
    ["mean", options.mean, -Infinity],
    ["std", options.std, 0],
  ] as const) {
    if (values === undefined) continue;
    checkNumbers("arrayDataset", { [`the number of numbers in ${name}`]: values.length }, { least: channels, most: channels });
    for (const [c, value] of values.entries()) checkNumbers("arrayDataset", { [`${name}[${c}]`]: value }, { above });
  }
  const classes = options.classes ?? numbered(labels, test?.labels ?? []);
  checkImages("images", { images, labels }, shape, classes);
  if (test !== undefined) {
    checkImages("test.images", test, shape, classes);
    if (isFloat32Array(test.images) !== isFloat32Array(images))
      throw new ConfigError("arrayDataset: images and test.images must both be bytes or both be floats, got one of each; convert one");
  }
  const all = { images, labels };
  const divided = test === undefined ? divide(labels, classes.length, testShare, seed) : undefined;
  const everyOne = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
  const pick = (source: LabelledImages, members: readonly number[]): ImageSplit => pickImages(source, members, shape, classes.length);
  const train = pick(all, divided?.train ?? everyOne(labels.length));
  const tested = pick(test ?? all, divided?.test ?? everyOne(test?.labels.length ?? 0));
  return { name, classes, channels, height, width, train, test: tested, ...normalization(options, train, channels) };
}

function numbered(...lists: readonly ArrayLike<number>[]): string[] {
  let largest = -1;
  for (const list of lists) for (let i = 0; i < list.length; i++) largest = Math.max(largest, list[i]!);
  return Array.from({ length: Number.isSafeInteger(largest) ? largest + 1 : 0 }, (_, label) => String(label));
}

function checkImages(op: string, { images, labels }: LabelledImages, shape: readonly number[], classes: readonly string[]): void {
  if (!isFloat32Array(images) && typedArrayName(images) !== "Uint8Array")
    throw new ConfigError(`arrayDataset: ${op} must be a Uint8Array or a Float32Array, got ${Object.prototype.toString.call(images)}`);
  const size = shape.reduce((product, side) => product * side, 1);
  if (images.length !== labels.length * size)
    throw new ShapeError(
      `arrayDataset: ${op} must hold [${[labels.length, ...shape].join(",")}] = ${labels.length * size} numbers, ` +
        `one image per label, got ${images.length}`,
    );
  for (let n = 0; n < labels.length; n++)
    if (!Number.isInteger(labels[n]) || labels[n]! < 0 || labels[n]! >= classes.length)
      throw new ConfigError(`arrayDataset: every label must be an integer in [0, ${classes.length}), got ${labels[n]} for image ${n}`);
  if (isFloat32Array(images)) {
    const bad = images.findIndex((value) => !Number.isFinite(value));
    if (bad !== -1)
      throw new ConfigError(`arrayDataset: every number of ${op} must be finite, got ${images[bad]} in image ${Math.floor(bad / size)}`);
  }
}

/** A seeded share of each class. Both splits keep the order of the images. */
function divide(labels: ArrayLike<number>, classes: number, share: number, seed: number): { train: number[]; test: number[] } {
  const members: number[][] = Array.from({ length: classes }, () => []);
  for (let n = 0; n < labels.length; n++) members[labels[n]!]!.push(n);
  const stream = new Random(seed);
  const divided = members.map((list, label) => {
    const { train, test } = divideClass(list.length, share, stream.fork(label));
    return { train: train.map((i) => list[i]!), test: test.map((i) => list[i]!) };
  });
  const ascending = (name: "train" | "test"): number[] => divided.flatMap((part) => part[name]).sort((a, b) => a - b);
  return { train: ascending("train"), test: ascending("test") };
}

function pickImages({ images, labels }: LabelledImages, members: readonly number[], shape: readonly number[], classes: number): ImageSplit {
  const size = shape.reduce((product, side) => product * side, 1);
  const copy = isFloat32Array(images)
    ? new Float32Array(sharedBytes(4 * members.length * size).buffer)
    : sharedBytes(members.length * size);
  const kept = allocateLabels(members.length, classes);
  for (const [n, image] of members.entries()) {
    copy.set(images.subarray(image * size, (image + 1) * size), n * size);
    kept[n] = labels[image]!;
  }
  return { images: copy, labels: kept, count: members.length };
}

/** The statistics that were given, or else those of the training images. */
function normalization(
  { mean, std }: ArrayDatasetOptions,
  train: ImageSplit,
  channels: number,
): Pick<ImageDataset, keyof ChannelStatistics> {
  if (mean !== undefined && std !== undefined) return { mean, std };
  const measured = normalizationOf(channelStatistics(train, channels));
  return { mean: mean ?? measured.mean, std: std ?? measured.std };
}
