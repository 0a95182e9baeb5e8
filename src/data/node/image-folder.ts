/** Data sets from folders of image files. */

import { availableParallelism } from "node:os";
import { basename, join, resolve as resolvePath } from "node:path";
import { ConfigError, DataError } from "../../core/errors.ts";
import { describeError } from "../../core/node/system-error.ts";
import { checkOptions, type OptionNames, optionNames } from "../../core/options.ts";
import {
  allocateLabels,
  ChannelSums,
  type Dataset,
  type DatasetFacts,
  type ImageSplit,
  normalizationOf,
  type SplitName,
  type StreamedSplit,
  sharedBytes,
} from "../dataset.ts";
import { checkShare } from "../share.ts";
import type { DataProgress } from "./cifar.ts";
import { decodeImage } from "./decode-image.ts";
import { fingerprintOf, listMembers, type Member, type Members } from "./folder-members.ts";
import { listImageFolder } from "./list-image-folder.ts";

/** Images that take at most so many bytes, when they are decoded, are kept in memory. */
export const memoryBudget = 512 * 2 ** 20;
/** The statistics of a streamed set are those of at most so many training images, which are evenly spaced. */
const statisticsSample = 2048;

export interface ImageFolderOptions {
  /** Height and width, in pixels, to which every image is brought. Default: 32. */
  readonly size?: number | undefined;
  /** The length of an image's shorter side before the middle, size × size, is cut out. Default: `size`. */
  readonly resize?: number | undefined;
  /**
   * `memory` decodes every image once. `stream` decodes an image whenever a batch needs it. Default: `auto`, which is `memory` when the
   * decoded images of both splits, 3 · size² bytes each, take at most 512 MiB, and else `stream`.
   */
  readonly storage?: "memory" | "stream" | "auto" | undefined;
  /** The share of each class that is tested on, in [0, 1], in a folder that has no `train`. Default: 0.2. */
  readonly testShare?: number | undefined;
  /** The seed of that share. Default: 0. */
  readonly seed?: number | undefined;
  /** The classes, in the order of their labels. Default: the names of the folders, sorted by their code units. */
  readonly classes?: readonly string[] | undefined;
  /** One number per channel, of pixels scaled to [0, 1]. Default: computed from the training images. */
  readonly mean?: readonly number[] | undefined;
  /** One number above 0 per channel, of pixels scaled to [0, 1]. Default: computed from the training images. */
  readonly std?: readonly number[] | undefined;
  /** Keeps the first images of each split only; every class comes in turn. Default: all images. */
  readonly limits?: { readonly train?: number | undefined; readonly test?: number | undefined } | undefined;
  /**
   * What happens to an image that cannot be decoded. `error` throws. `skip` leaves it out, with a note. Images that stay on the disk are
   * then all decoded once before the first batch. Default: `error`.
   */
  readonly onBadImage?: "error" | "skip" | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: DataProgress) => void) | undefined;
  /** Called with what a user should know, such as files that are left out. Default: a warning of the process. */
  readonly onNote?: ((note: string) => void) | undefined;
}

/** The names of `ImageFolderOptions`. */
export const imageFolderOptions: OptionNames = optionNames<ImageFolderOptions>({
  size: true,
  resize: true,
  storage: true,
  testShare: true,
  seed: true,
  classes: true,
  mean: true,
  std: true,
  limits: true,
  onBadImage: true,
  signal: true,
  onProgress: true,
  onNote: true,
});

/** A data set from a folder, and a digest of the names, sizes and labels of its files. */
export type FolderDataset = Dataset & { readonly fingerprint: string };

const warn = (note: string): void => process.emitWarning(note, "SeparableWarning");

/**
 * Reads a folder that has one sub-folder of PNG, JPEG and WebP files for each class. A folder that has `train` and `val` (or `test`), each
 * with such sub-folders, is divided by them, as ImageNet is. Any other folder is divided by a seeded share of each class.
 * @throws DataError when the folder, its classes or an image can't be used, ConfigError for an option out of range, the reason of the
 * signal when it is aborted.
 */
export async function imageFolder(path: string, options: ImageFolderOptions = {}): Promise<FolderDataset> {
  checkOptions("imageFolder", options, imageFolderOptions);
  const { size = 32, resize = size, storage = "auto", testShare = 0.2, seed = 0, limits = {}, mean, std, signal, onNote = warn } = options;
  const { onBadImage = "error" } = options;
  if (onBadImage !== "error" && onBadImage !== "skip")
    throw new ConfigError(`imageFolder: onBadImage must be error or skip, got ${onBadImage}`);
  for (const [name, value] of Object.entries({ size, resize }))
    if (!Number.isInteger(value) || value < 1) throw new ConfigError(`imageFolder: ${name} must be an integer ≥ 1, got ${value}`);
  if (resize < size) throw new ConfigError(`imageFolder: resize must be at least size, got resize ${resize} and size ${size}`);
  checkShare("imageFolder", testShare);
  const root = resolvePath(path);
  const { classes, members } = await listMembers(root, { classes: options.classes, testShare, seed, onNote });
  signal?.throwIfAborted();
  const wanted = { train: limitTo(members.train, limits.train, "train"), test: limitTo(members.test, limits.test, "test") };
  const bytes = 3 * size ** 2 * (wanted.train.length + wanted.test.length);
  const inMemory = storage === "memory" || (storage === "auto" && bytes <= memoryBudget);
  const reading: Reading = { root, view: { size, resize }, skip: onBadImage === "skip", signal, onProgress: options.onProgress, onNote };
  if (wanted.train.length === 0 && (mean === undefined || std === undefined))
    throw new ConfigError("imageFolder: a folder without training images needs mean and std, got no such options; give both");
  const factsOf = (broken: ReadonlySet<Member>) => {
    const sound = { train: without(members.train, broken), test: without(members.test, broken) };
    return { name: basename(root), classes, channels: 3, height: size, width: size, fingerprint: fingerprintOf(sound) };
  };
  if (inMemory) {
    const { train, test, sums, broken } = await decodeAll(wanted, classes, reading);
    return { ...factsOf(broken), train, test, ...normalization({ mean, std }, sums) };
  }
  const broken = reading.skip ? await decodeEach([...wanted.train, ...wanted.test], reading, () => undefined) : new Set<Member>();
  const kept = keptOf(wanted, broken, classes, root);
  const split = (list: readonly Member[]): StreamedSplit => ({
    paths: list.map(({ file }) => join(root, file.path)),
    labels: labelsOf(list, classes.length),
    count: list.length,
  });
  const sums = mean !== undefined && std !== undefined ? undefined : await sampleStatistics(kept.train, reading);
  return { ...factsOf(broken), resize, train: split(kept.train), test: split(kept.test), ...normalization({ mean, std }, sums) };
}

const without = (members: readonly Member[], broken: ReadonlySet<Member>): readonly Member[] =>
  broken.size === 0 ? members : members.filter((member) => !broken.has(member));

/** The images that can be decoded. @throws DataError when no image of a class is left to train on. */
function keptOf({ train, test }: Members, broken: ReadonlySet<Member>, classes: readonly string[], root: string): Members {
  const kept = { train: without(train, broken), test: without(test, broken) };
  const left = new Set(kept.train.map(({ label }) => label));
  const lost = train.find(({ label }) => !left.has(label));
  if (lost !== undefined)
    throw new DataError(
      `data: ${root} must hold an image of ${classes[lost.label]} to train on that can be decoded, got none; ` +
        "restore the images from a copy",
    );
  return kept;
}

/** The names of the classes of a folder, as `imageFolder` has them. @throws DataError when the folder cannot be used. */
export async function imageFolderClasses(path: string): Promise<readonly string[]> {
  const { train } = await listImageFolder(resolvePath(path), () => undefined);
  return train.map(({ name }) => name);
}

function limitTo(members: readonly Member[], limit: number | undefined, split: SplitName): readonly Member[] {
  if (limit === undefined) return members;
  if (!Number.isInteger(limit) || limit < 1) throw new ConfigError(`imageFolder: limits.${split} must be an integer ≥ 1, got ${limit}`);
  return members.slice(0, limit);
}

function labelsOf(members: readonly Member[], classes: number) {
  const labels = allocateLabels(members.length, classes);
  for (const [n, { label }] of members.entries()) labels[n] = label;
  return labels;
}

interface Reading {
  readonly root: string;
  readonly view: { readonly size: number; readonly resize: number };
  /** Whether images that cannot be decoded are left out. */
  readonly skip: boolean;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: ((progress: DataProgress) => void) | undefined;
  readonly onNote: (note: string) => void;
}

type Bytes = ReturnType<typeof sharedBytes>;

/** Decodes both splits into memory, and sums the pixels of the training images. */
async function decodeAll(
  members: Members,
  classes: readonly string[],
  reading: Reading,
): Promise<{ train: ImageSplit; test: ImageSplit; sums: ChannelSums; broken: ReadonlySet<Member> }> {
  const imageBytes = 3 * reading.view.size ** 2;
  const [trainBytes, testBytes] = [members.train, members.test].map((list) => sharedBytes(list.length * imageBytes)) as [Bytes, Bytes];
  const { length } = members.train;
  const broken = await decodeEach([...members.train, ...members.test], reading, (pixels, n) => {
    if (n < length) trainBytes.set(pixels, n * imageBytes);
    else testBytes.set(pixels, (n - length) * imageBytes);
  });
  const kept = keptOf(members, broken, classes, reading.root);
  /** The images that were kept, moved to where those that were left out stood. */
  const splitOf = (bytes: Bytes, given: readonly Member[], list: readonly Member[]): ImageSplit => {
    if (broken.size > 0) {
      const places = new Map(given.map((member, n) => [member, n * imageBytes]));
      for (const [n, member] of list.entries()) bytes.copyWithin(n * imageBytes, places.get(member)!, places.get(member)! + imageBytes);
    }
    return { images: bytes.subarray(0, list.length * imageBytes), labels: labelsOf(list, classes.length), count: list.length };
  };
  const [train, test] = [splitOf(trainBytes, members.train, kept.train), splitOf(testBytes, members.test, kept.test)];
  const sums = new ChannelSums(3);
  for (let n = 0; n < train.count; n++) sums.add(trainBytes, n * imageBytes, imageBytes / 3);
  return { train, test, sums, broken };
}

async function sampleStatistics(members: readonly Member[], reading: Reading): Promise<ChannelSums> {
  const count = Math.min(members.length, statisticsSample);
  const sample = Array.from({ length: count }, (_, i) => members[Math.floor((i * members.length) / count)]!);
  const sums = new ChannelSums(3);
  await decodeEach(sample, reading, (pixels) => sums.add(pixels, 0, reading.view.size ** 2));
  return sums;
}

/**
 * Decodes images, a few at a time, in any order.
 * @returns the images that cannot be decoded, after a note on them. There are none unless they are to be left out.
 * @throws DataError that names the images which cannot be decoded: the first five, and their number.
 */
async function decodeEach(
  members: readonly Member[],
  { root, view, skip, signal, onProgress, onNote }: Reading,
  use: (pixels: Uint8Array, index: number) => void,
): Promise<ReadonlySet<Member>> {
  const broken: { readonly index: number; readonly reason: string }[] = [];
  let [next, done] = [0, 0];
  const work = async (): Promise<void> => {
    while (next < members.length) {
      signal?.throwIfAborted();
      const index = next++;
      try {
        use(await decodeImage(join(root, members[index]!.file.path), view), index);
      } catch (error) {
        if (!(error instanceof DataError)) throw error;
        broken.push({ index, reason: describeError(error) });
      }
      onProgress?.({ stage: "decode", source: "folder", done: ++done, total: members.length, unit: "files" });
    }
  };
  await Promise.all(Array.from({ length: Math.min(availableParallelism(), 16) }, work));
  if (broken.length > 0) {
    const first = broken.sort((a, b) => a.index - b.index).slice(0, 5);
    const more = broken.length - first.length;
    const reasons = `${first.map(({ reason }) => reason).join("; ")}${more === 0 ? "" : `; and ${more} more`}`;
    const [are, them] = broken.length === 1 ? ["is", "it"] : ["are", "them"];
    if (!skip)
      throw new DataError(
        `data: every image of ${root} must be readable, got ${broken.length} of ${members.length} that ${are} not: ${reasons}. ` +
          `Repair or remove ${them}, or leave ${them} out by --on-bad-image skip; in a program, by imageFolder(path, { onBadImage: "skip" })`,
      );
    onNote(`${root}: left out ${broken.length} of ${members.length} images, which cannot be decoded: ${reasons}`);
  }
  return new Set(broken.map(({ index }) => members[index]!));
}

/** What was given, or else what was measured. */
function normalization(
  { mean, std }: Pick<ImageFolderOptions, "mean" | "std">,
  sums: ChannelSums | undefined,
): Pick<DatasetFacts, "mean" | "std"> {
  const measured = sums === undefined || (mean && std) ? undefined : normalizationOf(sums.statistics());
  return { mean: mean ?? measured!.mean, std: std ?? measured!.std };
}
