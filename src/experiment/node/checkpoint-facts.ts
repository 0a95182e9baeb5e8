/** What a trained network must be shown: the classes, the normalisation and the size of its images. */

import { ConfigError } from "../../core/errors.ts";
import type { Checkpoint } from "../../train/checkpoint.ts";
import { notesOf, savedRecipe } from "../../train/model-file.ts";
import { type DataFacts, dataFacts, type ImageFacts, imageFacts } from "../data-facts.ts";
import { inputOfClass, networks } from "../network-spec.ts";
import { configOf } from "../run-config.ts";
import { describesItself } from "../saved-network.ts";
import { isDataName, type Settings } from "../setting-rules.ts";
import { classesOfData } from "./data-classes.ts";

const example = "--mean 0.485,0.456,0.406 --std 0.229,0.224,0.225";

/**
 * The facts that a run records, or those that `saveModel` wrote. For any other checkpoint, the data set of the settings says them, and a
 * folder of images says the classes only.
 * @param op The command, for errors.
 * @param given The settings that options have set. They say what a file of `saveModel` does not say.
 * @throws ConfigError for a checkpoint without a configuration whose normalisation or input size is not known.
 */
export async function checkpointFacts(
  op: string,
  checkpoint: Checkpoint,
  settings: Settings,
  given: Partial<Settings> = settings,
): Promise<ImageFacts> {
  const config = configOf(checkpoint);
  if (config !== undefined) return imageFacts(config);
  if (describesItself(checkpoint)) return savedFacts(op, checkpoint, given);
  const { data, mean, std, network, imageSize } = settings;
  // A network from elsewhere has the input size of the paper, also where its classes are those of CIFAR.
  const size = imageSize ?? networks[network].input;
  if (isDataName(data)) return { ...dataFacts(data), size, resize: size };
  if (mean === undefined || std === undefined)
    throw new ConfigError(
      `${op}: --data ${data} names the classes only, and ${checkpoint.source} does not say how its images are normalised; ` +
        `give --mean and --std, such as ${example}`,
    );
  return { classes: await classesOfData(data), mean, std, size, resize: size };
}

/** The facts of a file that `saveModel` wrote. Nothing is guessed: what the file does not say, the options must say. */
async function savedFacts(op: string, { source, metadata }: Checkpoint, given: Partial<Settings>): Promise<ImageFacts> {
  const { classes, normalization } = notesOf(metadata, source);
  const { data, imageSize } = given;
  const set: Partial<DataFacts> =
    data === undefined ? {} : isDataName(data) ? dataFacts(data) : { classes: classes ?? (await classesOfData(data)) };
  const { mean = set.mean, std = set.std } = normalization ?? given;
  if (mean === undefined || std === undefined)
    throw new ConfigError(
      `${op}: ${source} does not say how its images are normalised; give --mean and --std, such as ${example}, ` +
        "or save the network with saveModel(path, network, { classes, normalization })",
    );
  if (mean.length !== 3 || std.length !== 3)
    throw new ConfigError(`${op}: the network must take images of 3 channels, got a normalisation of ${mean.length} in ${source}`);
  const size = imageSize ?? inputOfClass(savedRecipe(metadata, source)!.kind);
  if (size === undefined)
    throw new ConfigError(
      `${op}: ${source} does not say how large its images are; give the input size in pixels with ` +
        `${op === "predict" ? "--input, such as --input 32" : "--image-size, such as --image-size 32"}`,
    );
  return { classes: classes ?? set.classes ?? [], mean, std, size, resize: size };
}
