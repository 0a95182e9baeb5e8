/** `separable data`: fetches a data set, checks it and describes it. */

import type { Command } from "commander";
import { ChannelSums, channelStatistics, type Dataset, isStreamed } from "../data/dataset.ts";
import { decodeImage } from "../data/node/decode-image.ts";
import { displayName } from "../experiment/data-facts.ts";
import { path } from "../experiment/rules.ts";
import { dataNames, isDataName, settingRules } from "../experiment/setting-rules.ts";
import { argument } from "./argument.ts";
import type { CommandContext } from "./command.ts";
import { formatCount, formatRows } from "./format.ts";
import { progressStyle } from "./progress.ts";
import { interruptible, writeJson } from "./terminal.ts";
import { loadImagesWithProgress } from "./with-progress.ts";

interface DataOptions {
  readonly name: string;
  readonly imageSize?: number;
  readonly onBadImage?: "error" | "skip";
  readonly folder?: string;
  readonly check?: boolean;
  readonly json?: boolean;
  readonly progress: boolean;
}

export function dataCommand(command: Command, context: CommandContext): void {
  command
    .option(
      "--name <name>",
      `one of ${dataNames.join(", ")}, or a folder of images such as ./pictures`,
      argument("data", "--name", settingRules.data),
      "cifar10",
    )
    .option("--image-size <pixels>", "height and width of the images of a folder", argument("data", "--image-size", settingRules.imageSize))
    .option(
      "--on-bad-image <name>",
      "error or skip, for an image of a folder that cannot be decoded (default: error)",
      argument("data", "--on-bad-image", settingRules.onBadImage),
    )
    .option("--folder <path>", "read the data here instead of the cache or a download", argument("data", "--folder", path))
    .option("--check", "check the images that are on this machine: download nothing")
    .option("--json", "print one JSON object to stdout")
    .option("--no-progress", "print no progress to stderr")
    .action((options: DataOptions) => describeData(options, context));
}

async function describeData(
  { name, folder, imageSize, onBadImage, check = false, json, progress }: DataOptions,
  { terminal }: CommandContext,
): Promise<void> {
  await interruptible(
    terminal,
    () => undefined,
    async (signal) => {
      const style = progressStyle(terminal.stderr, progress);
      const wanted = { data: name, folder, imageSize, onBadImage, limitTrain: undefined, limitTest: undefined };
      const { dataset, source, origin } = await loadImagesWithProgress(wanted, { terminal, style, signal }, { offline: check });
      const { mean, std, train, test, classes, channels, height, width } = dataset;
      const measured = await measure(dataset, signal);
      if (json) {
        const counts = { train: train.count, test: test.count };
        writeJson(terminal.stdout, { name, source, origin, ...counts, channels, height, width, classes, mean, std, measured });
        return;
      }
      const numbers = (values: readonly number[]): string => values.map((value) => value.toFixed(4)).join("  ");
      const rows = [
        ["data", `${isDataName(name) ? displayName(name) : dataset.name}, every file checked`],
        ["source", origin],
        ["images", `${formatCount(train.count)} to train on, ${formatCount(test.count)} to test on, ${channels}×${height}×${width}`],
        ["classes", classes.length <= 10 ? classes.join(", ") : `${classes.length}, from ${classes[0]} to ${classes.at(-1)}`],
        ["mean", `${numbers(mean)}   (measured ${numbers(measured.mean)})`],
        ["std", `${numbers(std)}   (measured ${numbers(measured.std)})`],
      ];
      terminal.stdout.write(formatRows(rows, 9));
    },
  );
}

/** The statistics of all training images. Images on the disk are decoded one by one, those for the test too, which checks them. */
async function measure(dataset: Dataset, signal: AbortSignal): Promise<{ mean: number[]; std: number[] }> {
  if (!isStreamed(dataset)) return channelStatistics(dataset.train, dataset.channels);
  const view = { size: dataset.height, resize: dataset.resize };
  const sums = new ChannelSums(dataset.channels);
  for (const path of dataset.train.paths) {
    signal.throwIfAborted();
    sums.add(await decodeImage(path, view), 0, dataset.height * dataset.width);
  }
  for (const path of dataset.test.paths) {
    signal.throwIfAborted();
    await decodeImage(path, view);
  }
  return sums.statistics();
}
