/** The accuracies of the miniature of the paper as bars, for the networks that no smaller one beats. */

import type { ReportRun } from "../../../src/report/report-run.ts";
import { frontOf, studentsOf } from "../../miniature/students.ts";
import { grouped } from "./contraction-picture.ts";
import { box, picture, text } from "./svg.ts";

/** One row for each network on the front of error against parameters, the largest first: what it reaches alone, and what a teacher adds. */
export function miniaturePicture(runs: readonly ReportRun[]): string {
  const rows = frontOf(studentsOf(runs)).map(({ network, alone, taught }) => ({
    name: network.convolution,
    parameters: network.parameters,
    alone: 1 - (alone ?? network).error.mean,
    taught: taught && 1 - taught.error.mean,
  }));
  const [nameWidth, full, rowHeight, top] = [150, 250, 38, 30];
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
  const parts = rows.flatMap(({ name, parameters, alone, taught }, i) => {
    const y = top + i * rowHeight;
    return [
      text(0, y + 13, name, { anchor: "start", bold: true }),
      text(0, y + 28, `${grouped(parameters)} parameters`, { anchor: "start", paint: "dim" }),
      ...(taught === undefined ? [] : [box(nameWidth, y + 2, full * taught, 24, "other", 3)]),
      box(nameWidth, y + 2, full * alone, 24, "accent", 3),
      text(nameWidth + 8, y + 19, percent(alone), { anchor: "start" }),
      ...(taught === undefined ? [] : [text(nameWidth + full * taught + 6, y + 19, percent(taught), { anchor: "start" })]),
    ];
  });
  const key = [
    box(nameWidth, 2, 14, 14, "accent", 3),
    text(nameWidth + 20, 14, "alone", { anchor: "start" }),
    box(nameWidth + 80, 2, 14, 14, "other", 3),
    text(nameWidth + 100, 14, "with a teacher", { anchor: "start" }),
  ];
  const title = "Test accuracy on CIFAR-10 of the networks that no smaller one beats.";
  return picture(nameWidth + full + 60, top + rows.length * rowHeight, title, [...key, ...parts]);
}
