/** The table of the presets: means over the seeds, with the smallest and the largest value. */

import { largest, smallest } from "../../src/core/extent.ts";
import { markdownTable } from "../.vitepress/figures/markdown-tables.ts";
import { measuredPresets, type PresetResult } from "./results.ts";

/** `87.9 (87.6–88.1)`, or `87.9` for one value. */
function spread(values: readonly number[], format: (value: number) => string): string {
  const mean = format(values.reduce((sum, value) => sum + value, 0) / values.length);
  return values.length === 1 ? mean : `${mean} (${format(smallest(values))}–${format(largest(values))})`;
}

const percent = (share: number): string => (100 * share).toFixed(2);
const minutes = (value: number): string => value.toFixed(1);
const count = (value: number): string => Math.round(value).toLocaleString("en-US");

const header = ["preset", "epochs", "seeds", "test accuracy, %", "with `--tta`, %", "minutes", "images/s", "machine and load"];

/** The different texts of the runs, in order of their first appearance. */
const each = (texts: readonly string[]): string => [...new Set(texts)].join("; ");

function row(preset: string, runs: readonly PresetResult[]): string[] {
  if (runs.length === 0) return [`\`${preset}\``, ...header.slice(1).map(() => "–")];
  const of = (quantity: "accuracy" | "accuracyTta" | "minutes" | "imagesPerSecond", format: (value: number) => string): string =>
    spread(
      runs.map((run) => run[quantity]),
      format,
    );
  return [
    `\`${preset}\``,
    each(runs.map(({ epochs }) => String(epochs))),
    String(runs.length),
    of("accuracy", percent),
    of("accuracyTta", percent),
    of("minutes", minutes),
    of("imagesPerSecond", count),
    [
      each(runs.map(({ machine, node }) => `${machine}; Node ${node}`)),
      `commit ${each(runs.map(({ commit }) => commit ?? "unknown"))}`,
      each(runs.map(({ note }) => note)),
    ].join("; "),
  ];
}

/** The table as Markdown. A preset without runs has dashes. */
export const presetTable = (results: readonly PresetResult[]): string =>
  markdownTable(
    header,
    measuredPresets.map((preset) =>
      row(
        preset,
        results.filter((run) => run.preset === preset),
      ),
    ),
    ["machine and load"],
  );
