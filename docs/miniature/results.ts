/** The runs of the miniature: `results.jsonl` has the lines of its sweeps, and `milliseconds.jsonl` the time of each network's step. */

import { finite, object, text, whole } from "../../src/core/schema.ts";
import { parseResults } from "../../src/experiment/node/sweep/sweep-results.ts";
import type { ReportRun } from "../../src/report/report-run.ts";
import { measurementsIn } from "../.vitepress/figures/measurements.ts";

const timeSchema = object({
  network: text,
  convolution: text,
  /** The images of a step. */
  images: whole(1),
  milliseconds: finite(0),
  machine: text,
});

export type MeasuredTime = ReturnType<typeof timesIn>[number];

/** The measured times in a file's text. @throws DataError for a line that is none. */
export const timesIn = (lines: string) => measurementsIn(timeSchema, lines, "miniature: milliseconds.jsonl");

/** The runs as a report shows them. A network without a measured time has none. @throws DataError for a line that is no result. */
export function runsIn(lines: string, times: readonly MeasuredTime[]): ReportRun[] {
  return parseResults(lines, "results.jsonl").results.map((result) => ({
    ...result,
    name: result.id,
    teacher: result.teacher ?? undefined,
    milliseconds: times.find(({ network, convolution }) => network === result.network && convolution === result.convolution)?.milliseconds,
    error: result.testAccuracy === null ? undefined : 1 - result.testAccuracy,
    bestError: result.bestTestAccuracy === null ? undefined : 1 - result.bestTestAccuracy,
    finished: true,
    epochs: [],
    confusion: undefined,
    classes: [],
    pictures: [],
  }));
}
