/** Facts about each data set that are known without its images. */

import { cifarFormats, cifarImage } from "../data/cifar-format.ts";
import type { ImageDataset } from "../data/dataset.ts";
import { syntheticClasses } from "../data/synthetic.ts";
import type { Settings } from "./setting-rules.ts";

export type DataFacts = Pick<ImageDataset, "classes" | "mean" | "std">;

/** Mean and standard deviation of the whole synthetic set. Like those of CIFAR, they stay the same when only a part of the set is used. */
export const syntheticStatistics = { mean: [0.4989, 0.4998, 0.503], std: [0.1826, 0.1811, 0.1809] } as const;

/** Height and width in pixels of the images of every data set that is trained on. */
export const imageSide = cifarImage.height;

export const dataFacts = (name: Settings["data"]): DataFacts =>
  name === "synthetic" ? { classes: syntheticClasses, ...syntheticStatistics } : cifarFormats[name];

const displayNames = { cifar10: "CIFAR-10", cifar100: "CIFAR-100", synthetic: "synthetic images" } as const;

/** The name of a data set as texts write it. */
export const displayName = (name: string): string => displayNames[name as keyof typeof displayNames] ?? name;
