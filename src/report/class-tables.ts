/** Tables, shaded by their numbers, of each network's errors by class, and of the confusion matrix of one network. */

import { largest } from "../core/extent.ts";
import { classAccuracies } from "../train/evaluate.ts";
import { formatShare } from "./axes.ts";
import { heatColour } from "./picture-png.ts";
import type { ReportRun } from "./report-run.ts";
import { formatSeeds } from "./statistics.ts";
import { escaped } from "./svg.ts";

type Confusion = readonly (readonly number[])[];

/** Share of each class's images that are taken for another class; undefined for a class without images. */
export const classErrors = (confusion: Confusion): (number | undefined)[] =>
  classAccuracies({ confusion }).map((accuracy) => (accuracy === undefined ? undefined : 1 - accuracy));

/** Lightness of a colour, in 0 … 255 (luma of ITU-R BT.601). */
const lightness = ([red, green, blue]: readonly [number, number, number]): number => 0.299 * red + 0.587 * green + 0.114 * blue;

/** A cell whose colour shows its share of `most`, with text that is dark on light colours and light on dark ones. */
function shaded(share: number | undefined, most: number, text: string): string {
  if (share === undefined) return "<td></td>";
  const colour = heatColour(share / most);
  const ink = lightness(colour) > 140 ? "#111" : "#fff";
  return `<td style="background:rgb(${colour.join(",")});color:${ink}">${text}</td>`;
}

const columns = (names: readonly string[]): string => names.map((name) => `<th scope="col"><span>${escaped(name)}</span></th>`).join("");

/** The confusion matrix of several runs: the sum of theirs. Undefined where no run has one with the same classes. */
export function confusionOf(
  runs: readonly ReportRun[],
): { readonly classes: readonly string[]; readonly confusion: Confusion; readonly runs: number } | undefined {
  const classes = runs.find(({ confusion }) => confusion !== undefined)?.classes;
  if (classes === undefined) return undefined;
  const matrices = runs.flatMap((run) => (run.confusion !== undefined && run.classes.length === classes.length ? [run.confusion] : []));
  const confusion = matrices.reduce((total, matrix) => total.map((row, i) => row.map((images, k) => images + matrix[i]![k]!)));
  return { classes, confusion, runs: matrices.length };
}

/** A row of the table of class errors: the mean over the runs of a configuration. */
export interface ClassErrorRow {
  readonly name: string;
  readonly runs: readonly ReportRun[];
}

/** A table with a row for each configuration and a column for each class; undefined where no run has a confusion matrix. */
export function classErrorTable(rows: readonly ClassErrorRow[]): string | undefined {
  const found = rows.flatMap(({ name, runs }) => {
    const summed = confusionOf(runs);
    return summed === undefined ? [] : [{ name, classes: summed.classes, errors: classErrors(summed.confusion), runs: summed.runs }];
  });
  const classes = found[0]?.classes;
  if (classes === undefined) return undefined;
  const comparable = found.filter((row) => row.classes.length === classes.length);
  const most = largest([1e-9, ...comparable.flatMap(({ errors }) => errors.map((error) => error ?? 0))]);
  const body = comparable.map(({ name, errors, runs }) => {
    const cells = errors.map((error) => shaded(error, most, error === undefined ? "" : String(Math.round(100 * error))));
    return `<tr><th scope="row">${escaped(name)}</th><td>${runs}</td>${cells.join("")}</tr>`;
  });
  return heatTable("Test error in per cent after the best epoch of each run, as the mean over the seeds", ["seeds", ...classes], body);
}

/** The confusion matrix of the runs of a configuration: rows are labels, and columns are predictions. Undefined for runs without one. */
export function confusionTable(runs: readonly ReportRun[]): string | undefined {
  const summed = confusionOf(runs);
  if (summed === undefined) return undefined;
  const { classes, confusion } = summed;
  const shares = confusion.map((row) => {
    const images = row.reduce((total, n) => total + n, 0);
    return row.map((n) => (images === 0 ? undefined : n / images));
  });
  const mistakes = shares.flatMap((row, label) => row.filter((_, taken) => taken !== label).map((share) => share ?? 0));
  const most = largest([1e-9, ...mistakes]);
  const body = shares.map((row, label) => {
    const cells = row.map((share, taken) =>
      taken === label
        ? `<td class="right">${share === undefined ? "" : formatShare(share, 0)}</td>`
        : shaded(share, most, share ? String(Math.round(100 * share)) : "·"),
    );
    return `<tr><th scope="row">${escaped(classes[label] ?? String(label))}</th>${cells.join("")}</tr>`;
  });
  const caption =
    "Images of each class (row) in per cent, by predicted class (column), " +
    `after the best epoch of each run, ${formatSeeds(summed.runs)}`;
  return heatTable(caption, classes, body);
}

const heatTable = (caption: string, classes: readonly string[], rows: readonly string[]): string =>
  `<table class="heat"><caption>${caption}</caption><thead><tr><th></th>${columns(classes)}</tr></thead>` +
  `<tbody>${rows.join("")}</tbody></table>`;
