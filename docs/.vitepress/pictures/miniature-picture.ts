/** The accuracies of the miniature of the paper as bars, from `docs/miniature/results.jsonl`. */

import { grouped } from "./contraction-picture.ts";
import { box, picture, text } from "./svg.ts";

interface Run {
  readonly convolution: string;
  readonly teacher: string | null;
  readonly parameters: number;
  readonly testAccuracy: number;
}

/** One row for each convolution, the largest network first: what it reaches alone, and what a teacher adds. */
export function miniaturePicture(lines: string): string {
  const runs = lines
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Run);
  const names = [...new Set(runs.map(({ convolution }) => convolution))];
  const rows = names
    .map((name) => {
      const own = runs.filter(({ convolution }) => convolution === name);
      const [alone, taught] = [own.find(({ teacher }) => teacher === null)!, own.find(({ teacher }) => teacher !== null)!];
      return { name, parameters: alone.parameters, alone: alone.testAccuracy, taught: taught.testAccuracy };
    })
    .sort((a, b) => b.parameters - a.parameters);
  const [nameWidth, full, rowHeight, top] = [150, 250, 38, 30];
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
  const parts = rows.flatMap(({ name, parameters, alone, taught }, i) => {
    const y = top + i * rowHeight;
    return [
      text(0, y + 13, name, { anchor: "start", bold: true }),
      text(0, y + 28, `${grouped(parameters)} parameters`, { anchor: "start", paint: "dim" }),
      box(nameWidth, y + 2, full * taught, 24, "other", 3),
      box(nameWidth, y + 2, full * alone, 24, "accent", 3),
      text(nameWidth + 8, y + 19, percent(alone), { anchor: "start" }),
      text(nameWidth + full * taught + 6, y + 19, percent(taught), { anchor: "start" }),
    ];
  });
  const key = [
    box(nameWidth, 2, 14, 14, "accent", 3),
    text(nameWidth + 20, 14, "alone", { anchor: "start" }),
    box(nameWidth + 80, 2, 14, 14, "other", 3),
    text(nameWidth + 100, 14, "with a teacher", { anchor: "start" }),
  ];
  return picture(nameWidth + full + 20, top + rows.length * rowHeight, "Test accuracy of nine convolutions in WRN-10-1.", [
    ...key,
    ...parts,
  ]);
}
