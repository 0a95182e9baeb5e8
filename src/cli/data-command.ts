/** `separable data`: fetches and checks a data set, and says what is there. */

import { Command } from "commander";
import { channelStatistics } from "../data/dataset.ts";
import { displayName } from "../experiment/data-facts.ts";
import { loadImages } from "../experiment/node/load-images.ts";
import { choice, path } from "../experiment/rules.ts";
import { dataNames } from "../experiment/setting-rules.ts";
import { argument } from "./argument.ts";
import type { CommandContext } from "./command-context.ts";
import { formatCount } from "./format.ts";
import { progressStyle } from "./progress.ts";
import { interruptible, writeJson } from "./terminal.ts";

interface DataOptions {
  readonly name: (typeof dataNames)[number];
  readonly folder?: string;
  readonly check?: boolean;
  readonly json?: boolean;
  readonly progress: boolean;
}

export const dataCommand = (context: CommandContext): Command =>
  new Command("data")
    .description("fetch a data set into the cache, check it, and describe it")
    .option("--name <name>", `one of ${dataNames.join(", ")}`, argument("data", "--name", choice(dataNames)), "cifar10")
    .option("--folder <path>", "read the data here instead of the cache or a download", argument("data", "--folder", path))
    .option("--check", "only check what is there: download nothing")
    .option("--json", "print one JSON object to stdout")
    .option("--no-progress", "print no progress to stderr")
    .action((options: DataOptions) => describeData(options, context));

async function describeData({ name, folder, check = false, json, progress }: DataOptions, { terminal }: CommandContext): Promise<void> {
  await interruptible(
    terminal,
    () => undefined,
    async (signal) => {
      const style = progressStyle(terminal.stderr, progress);
      const wanted = { data: name, folder, limitTrain: undefined, limitTest: undefined };
      const { dataset, source, origin } = await loadImages(wanted, terminal, {
        signal,
        progress: style,
        unavailable: "error",
        offline: check,
      });
      const { mean, std, train, test, classes, channels, height, width } = dataset;
      const measured = channelStatistics(train, channels);
      if (json) {
        const counts = { train: train.count, test: test.count };
        writeJson(terminal.stdout, { name, source, origin, ...counts, channels, height, width, classes, mean, std, measured });
        return;
      }
      const numbers = (values: readonly number[]): string => values.map((value) => value.toFixed(4)).join("  ");
      const rows = [
        ["data", `${displayName(name)}, every file checked`],
        ["source", origin],
        ["images", `${formatCount(train.count)} to train on, ${formatCount(test.count)} to test on, ${channels}×${height}×${width}`],
        ["classes", classes.length <= 10 ? classes.join(", ") : `${classes.length}, from ${classes[0]} to ${classes.at(-1)}`],
        ["mean", `${numbers(mean)}   (measured ${numbers(measured.mean)})`],
        ["std", `${numbers(std)}   (measured ${numbers(measured.std)})`],
      ];
      terminal.stdout.write(rows.map(([label, value]) => `${label!.padEnd(9)}${value}\n`).join(""));
    },
  );
}
