/** What `separable compress` starts from: the dense network, what is known of its images, and the images to test on. */

import { resolve } from "node:path";
import { ConfigError, DataError } from "../core/errors.ts";
import { DataUnavailableError } from "../data/data-unavailable-error.ts";
import { dataFacts, type ImageFacts, imageFacts, imageSide } from "../experiment/data-facts.ts";
import { findCheckpoint } from "../experiment/node/find-checkpoint.ts";
import type { Images } from "../experiment/node/load-images.ts";
import { anyMachine, presets } from "../experiment/presets.ts";
import { classesOf } from "../experiment/restore-network.ts";
import { configOf, type RunConfig } from "../experiment/run-config.ts";
import { savedSettings } from "../experiment/saved-network.ts";
import { isDataName, type Settings } from "../experiment/setting-rules.ts";
import { networkOf } from "../experiment/settings.ts";
import type { Checkpoint } from "../train/checkpoint.ts";
import { notesOf } from "../train/model-file.ts";
import { settingsIn } from "./setting-options.ts";
import { type Terminal, writeNote, writeNotes } from "./terminal.ts";
import { loadImagesWithProgress, type ProgressContext } from "./with-progress.ts";

/** The dense network: its checkpoint, its settings, and the configuration of its run, if it has one. */
export interface CompressSource {
  readonly checkpoint: Checkpoint;
  readonly config: RunConfig | undefined;
  readonly settings: Settings;
}

/**
 * Reads the dense network with its settings, which the options overwrite.
 * @throws ConfigError for a network that is not dense, and for options that are missing or that the checkpoint has decided.
 */
export async function readSource(path: string, options: Partial<Settings>, terminal: Terminal): Promise<CompressSource> {
  const checkpoint = await findCheckpoint(path);
  writeNotes(terminal, checkpoint.notes);
  const config = configOf(checkpoint);
  const saved = config === undefined ? savedSettings("compress", checkpoint, { depth: options.depth, width: options.width }) : undefined;
  if (config === undefined && saved === undefined && (options.depth === undefined || options.width === undefined))
    throw new ConfigError(
      `compress: ${checkpoint.source} does not say what its network is, got no --depth and --width; ` +
        "give both, such as --depth 16 --width 1",
    );
  if (config !== undefined && (options.depth ?? options.width) !== undefined)
    throw new ConfigError(`compress: ${checkpoint.source} records its network, got --depth or --width too; leave them out`);
  const recorded: Settings = config?.settings ?? { ...presets.quick, ...saved };
  if (recorded.conv !== "Conv")
    throw new ConfigError(
      `compress: the network must be made of dense convolutions (Conv), got ${recorded.conv} in ${checkpoint.source}; name the dense run`,
    );
  const { conv: _, ...given } = settingsIn(options);
  const { folder, data } = given;
  const explicit = {
    ...given,
    ...(folder === undefined ? {} : { folder: resolve(folder) }),
    ...(data === undefined || isDataName(data) ? {} : { data: resolve(data) }),
  };
  // The work is decompositions, which are computed on the host. A device would not speed them up.
  const machine = { ...anyMachine, backend: "wasm" } as const;
  const elsewhere =
    explicit.data !== undefined && explicit.data !== recorded.data
      ? { folder: undefined, limitTrain: undefined, limitTest: undefined }
      : {};
  return { checkpoint, config, settings: { ...recorded, ...machine, init: undefined, ...elsewhere, ...explicit } };
}

/** What the run says of its images. For a checkpoint without a configuration, the data set says it. */
export function factsFor({ config, settings, checkpoint }: CompressSource): ImageFacts {
  if (config !== undefined) return imageFacts(config);
  if (isDataName(settings.data)) {
    const { classes, ...facts } = dataFacts(settings.data);
    const count = classesOf(checkpoint, networkOf(settings));
    // A network with another number of classes was trained on other data. Its classes are called by their numbers.
    const names = classes.length === count ? classes : Array.from({ length: count }, (_, label) => String(label));
    // A file of saveModel may hold what it was given of the classes and of the normalisation.
    const { classes: noted = names, normalization = facts } = notesOf(checkpoint.metadata, checkpoint.source);
    return { ...facts, ...normalization, classes: noted, size: imageSide, resize: imageSide };
  }
  throw new ConfigError(
    `compress: ${checkpoint.source} does not say how its images are normalised, so --data must be a data set with a name, ` +
      `got ${settings.data}`,
  );
}

/** The images to test on. Without --evaluate, a note says that nothing is tested where the images cannot be had or are of other classes. */
export async function testImages(
  { checkpoint, settings }: CompressSource,
  facts: ImageFacts,
  evaluate: boolean | undefined,
  progress: ProgressContext,
): Promise<Images | undefined> {
  if (evaluate === false) return undefined;
  try {
    // The network sees the images of a folder as it was trained on others.
    const images = await loadImagesWithProgress({ ...settings, limitTrain: 1 }, progress, isDataName(settings.data) ? {} : { facts });
    const { name, classes } = images.dataset;
    const expected = classesOf(checkpoint, networkOf(settings));
    if (classes.length === expected) return images;
    throw new ConfigError(
      `compress: the test images must be of the network's ${expected} classes, got ${classes.length} in ${name}; choose with --data`,
    );
  } catch (error) {
    // A folder of images may have been moved or changed since the training.
    const Unavailable = isDataName(settings.data) ? DataUnavailableError : DataError;
    if (evaluate || !(error instanceof Unavailable || error instanceof ConfigError)) throw error;
    writeNote(progress.terminal, `neither network is tested: ${error.message}`);
    return undefined;
  }
}
