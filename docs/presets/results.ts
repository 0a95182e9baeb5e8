/** The measured runs of the presets: `results.jsonl` has one line for each finished run, and record.ts appends them. */

import { finite, nullable, object, oneOf, text, whole } from "../../src/core/schema.ts";
import { measurementsIn } from "../.vitepress/figures/measurements.ts";

/** The presets of the table, from the shortest to the longest. */
export const measuredPresets = ["three-minutes", "ten-minutes", "wide-resnet", "accurate"] as const;

const schema = object({
  preset: oneOf(measuredPresets),
  seed: whole(),
  epochs: whole(1),
  /** Shares of the test images in [0, 1]; the second one with `eval --tta`. */
  accuracy: finite(0, 1),
  accuracyTta: finite(0, 1),
  /** Time of the training steps and of the evaluations. */
  minutes: finite(0),
  imagesPerSecond: finite(0),
  machine: text,
  node: text,
  /** The commit whose program trained; null outside a repository. */
  commit: nullable(text),
  /** What else ran on the machine. */
  note: text,
});

export type PresetResult = ReturnType<typeof resultsIn>[number];

/** The runs in a file's text. @throws DataError for a line that is no run. */
export const resultsIn = (lines: string) => measurementsIn(schema, lines, "presets: results.jsonl");
