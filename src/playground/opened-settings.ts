/** The choices of the playground that a run of the command line stands for. */

import { DataError } from "../core/errors.ts";
import { cifarFormats, countRecords } from "../data/cifar-format.ts";
import type { RunConfig } from "../experiment/run-config.ts";
import { isDataName } from "../experiment/setting-rules.ts";
import { syntheticSize } from "../experiment/synthetic-set.ts";
import { defaultSettings, type PlaygroundSettings } from "./settings.ts";

/**
 * The choices that the page shows for a run that was opened. The run itself keeps its own settings, of which the page may not show all.
 * @throws DataError for a run on images that the playground does not have.
 */
export function chosenOf({ settings, input }: RunConfig, source: string): PlaygroundSettings {
  const { data, limitTrain, limitTest, network, depth, width, widths, conv, epochs, batchSize, learningRate, seed } = settings;
  const refuse = (rule: string, got: string): never => {
    throw new DataError(`open: the run of ${source} must be ${rule}, got ${got}; continue it with separable train --resume`);
  };
  if (data === "cifar100") refuse("on CIFAR-10, synthetic images or your pictures", data);
  if (input !== undefined && input.size !== 32) refuse("on images of 32×32 pixels", `${input.size}×${input.size}`);
  if (network !== "wrn" && network !== "fast") refuse("of the network wrn or fast", network);
  if (settings.teacher !== undefined) refuse("without a teacher", settings.teacher);
  const { train, test } = cifarFormats.cifar10;
  const [allTrain, allTest] =
    data === "synthetic" ? [syntheticSize.trainCount, syntheticSize.testCount] : [countRecords(train), countRecords(test)];
  return {
    ...defaultSettings,
    data: data === "cifar10" ? "cifar10" : isDataName(data) ? "synthetic" : "pictures",
    train: limitTrain ?? allTrain,
    test: limitTest ?? allTest,
    network: network as "wrn" | "fast",
    depth: depth ?? defaultSettings.depth,
    width: network === "wrn" ? (width ?? 1) : Math.max(1, Math.round((widths?.[0] ?? 16) / 16)),
    a: conv,
    b: "none",
    epochs,
    batch: batchSize,
    optimizer: settings.optimizer === "adamw" ? "adam" : settings.optimizer,
    rate: learningRate,
    augment: settings.augment === "none" || settings.augment === "flip" ? settings.augment : "crop:4,flip",
    seed,
  };
}
