/** What a trained network must be shown: the classes, the normalisation and the size of its images. */

import { ConfigError } from "../../core/errors.ts";
import type { Checkpoint } from "../../train/checkpoint.ts";
import { dataFacts, type ImageFacts, imageFacts } from "../data-facts.ts";
import { networks } from "../network-spec.ts";
import { configOf } from "../run-config.ts";
import { isDataName, type Settings } from "../setting-rules.ts";
import { classesOfData } from "./data-classes.ts";

/**
 * The facts that a run records. For a checkpoint without a configuration, the data set of the settings says them, and a folder of images
 * says the classes only.
 * @param op The command, for errors.
 * @throws ConfigError for such a checkpoint and a folder without mean and std.
 */
export async function checkpointFacts(op: string, checkpoint: Checkpoint, settings: Settings): Promise<ImageFacts> {
  const config = configOf(checkpoint);
  if (config !== undefined) return imageFacts(config);
  const { data, mean, std, network, imageSize } = settings;
  // A network from elsewhere has the input size of the paper, also where its classes are those of CIFAR.
  const size = imageSize ?? networks[network].input;
  if (isDataName(data)) return { ...dataFacts(data), size, resize: size };
  if (mean === undefined || std === undefined)
    throw new ConfigError(
      `${op}: --data ${data} names the classes only, and ${checkpoint.source} does not say how its images are normalised; ` +
        "give --mean and --std, such as --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225",
    );
  return { classes: await classesOfData(data), mean, std, size, resize: size };
}
