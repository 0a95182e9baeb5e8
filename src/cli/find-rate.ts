/** `separable train --find-rate`: suggests a learning rate, and plots the losses that it is read from. */

import { resolve } from "node:path";
import { ConfigError } from "../core/errors.ts";
import { type SearchRateOptions, searchRate, usualRates } from "../experiment/node/search-rate.ts";
import type { Settings } from "../experiment/setting-rules.ts";
import { ratePlot } from "../report/rate-plot.ts";
import { writeFileAtomic } from "../train/node/atomic-file.ts";
import type { CommandContext } from "./command.ts";
import { formatRate, formatRows, plural } from "./format.ts";
import { progressStyle, startJob } from "./progress.ts";
import { interruptible, writeJson, writeNote } from "./terminal.ts";
import { downloadBars } from "./with-progress.ts";

export interface FindRateCommand extends Pick<SearchRateOptions, "preset" | "steps" | "offline"> {
  /** The file of the plot; `true` for the default. */
  readonly findRate: string | true;
  readonly json?: boolean;
  readonly progress: boolean;
}

/** The file of the plot where no other is named. */
export const usualPlot = "learning-rate.svg";

/** @throws ConfigError when the loss is not finite from the first step on. */
export async function printRate(explicit: Partial<Settings>, options: FindRateCommand, { terminal }: CommandContext): Promise<void> {
  const style = progressStyle(terminal.stderr, options.progress && !options.json);
  const downloads = downloadBars({ terminal, style });
  const { preset, steps = usualRates, offline } = options;
  const job = startJob(terminal.stderr, style, { label: "searching", total: steps });
  try {
    await interruptible(
      terminal,
      () => undefined,
      async (signal) => {
        const observer = {
          data: downloads.report,
          note: (note: string) => writeNote(terminal, note),
          step: (done: number) => job.update(done),
        };
        const found = await searchRate(explicit, { preset, steps, offline, signal, observer });
        signal.throwIfAborted();
        const { points, suggestion } = found;
        const [first, last] = [points[0], points.at(-1)];
        if (first === undefined || last === undefined)
          throw new ConfigError("train: --find-rate needs a finite loss at its first step, got none; check the images and the recipe");
        const file = resolve(options.findRate === true ? usualPlot : options.findRate);
        await writeFileAtomic(file, ratePlot(found));
        if (options.json) {
          writeJson(terminal.stdout, { suggestion: suggestion ?? null, plot: file, points });
          return;
        }
        const range = `${plural(points.length, "step")} at rates from ${formatRate(first.rate)} to ${formatRate(last.rate)}`;
        const advice =
          suggestion === undefined
            ? `no suggestion: the loss never fell in ${range}`
            : `${formatRate(suggestion)}: there the loss fell fastest, in ${range}`;
        terminal.stdout.write(
          `${formatRows(
            [
              ["rate", advice],
              ["plot", file],
            ],
            9,
          )}\n`,
        );
      },
    );
  } finally {
    job.stop();
    downloads.stop();
  }
}
