/** Facts about each data set that are known without its images. */

import { DataError } from "../core/errors.ts";
import { cifarFormats, cifarImage } from "../data/cifar-format.ts";
import type { ImageDataset } from "../data/dataset.ts";
import { syntheticClasses } from "../data/synthetic.ts";
import { networks } from "./network-spec.ts";
import type { RunConfig } from "./run-config.ts";
import { type DataName, isDataName, type Settings } from "./setting-rules.ts";

export type DataFacts = Pick<ImageDataset, "classes" | "mean" | "std">;

/** Mean and standard deviation of the whole synthetic set. Like those of CIFAR, they stay the same when only a part of the set is used. */
export const syntheticStatistics = { mean: [0.4989, 0.4998, 0.503], std: [0.1826, 0.1811, 0.1809] } as const;

/** Height and width in pixels of the images of every data set that has a name. */
export const imageSide = cifarImage.height;

export const dataFacts = (name: DataName): DataFacts =>
  name === "synthetic" ? { classes: syntheticClasses, ...syntheticStatistics } : cifarFormats[name];

/** What a network must know of the images that it was trained on, to see others as it saw them. */
export interface ImageFacts extends DataFacts {
  /** Height and width of the input, in pixels. */
  readonly size: number;
  /** The length in pixels of an image's shorter side before the middle is cut out. */
  readonly resize: number;
}

/**
 * The length of the shorter side of a test image before its middle, `size` × `size`, is cut out. Training on random parts shows objects
 * larger than they are, so the recipe for ImageNet tests on 224 of 256 pixels. Any other recipe tests on the whole middle.
 */
export const testResize = (size: number, resizedCrop: boolean): number => (resizedCrop ? Math.round((size * 256) / 224) : size);

/** The input size of the settings: that of the option, or else that of the paper's network. */
export const inputSize = ({ data, imageSize, network }: Pick<Settings, "data" | "imageSize" | "network">): number =>
  isDataName(data) ? imageSide : (imageSize ?? networks[network].input);

/** The facts that a run records. Runs of data sets with a name need not record them. @throws DataError for a run that lacks them. */
export function imageFacts({ settings, classes, normalization, input }: RunConfig): ImageFacts {
  if (classes !== undefined && normalization !== undefined && input !== undefined) return { classes, ...normalization, ...input };
  if (isDataName(settings.data)) return { ...dataFacts(settings.data), size: imageSide, resize: imageSide };
  throw new DataError(`run: a run on ${settings.data} must record classes, normalization and input, got none; restore its config.json`);
}

/** What a run records of its images. */
export const recordOf = ({ classes, mean, std, size, resize }: ImageFacts): Pick<RunConfig, "classes" | "normalization" | "input"> => ({
  classes,
  normalization: { mean, std },
  input: { size, resize },
});

const displayNames = { cifar10: "CIFAR-10", cifar100: "CIFAR-100", synthetic: "synthetic images" } as const;

/** The name of a data set as texts write it. A folder has its own name. */
export const displayName = (name: string): string => displayNames[name as keyof typeof displayNames] ?? name;
