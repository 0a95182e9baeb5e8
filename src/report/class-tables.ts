/** Tables, shaded by their numbers, of each network's errors by class, and of the confusion matrix of one network. */

import { maximumOf } from "../core/extremes.ts";
import { classAccuracies } from "../train/evaluate.ts";
import { formatShare } from "./axes.ts";
import { heatColour } from "./picture-png.ts";
import type { ReportRun } from "./report-run.ts";
import { nameOf } from "./scatter-plot.ts";
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

/** A table with a row for each run and a column for each class; undefined where no run has a confusion matrix. */
export function classErrorTable(runs: readonly ReportRun[]): string | undefined {
  const classes = runs.find(({ confusion }) => confusion !== undefined)?.classes;
  if (classes === undefined) return undefined;
  const rows = runs
    .filter((run) => run.confusion !== undefined && run.classes.length === classes.length)
    .map((run) => ({ run, errors: classErrors(run.confusion!) }));
  const most = Math.max(maximumOf(rows.flatMap(({ errors }) => errors.map((error) => error ?? 0))), 1e-9);
  const body = rows.map(({ run, errors }) => {
    const cells = errors.map((error) => shaded(error, most, error === undefined ? "" : String(Math.round(100 * error))));
    return `<tr><th scope="row">${escaped(nameOf(run))}</th>${cells.join("")}</tr>`;
  });
  return heatTable("Test error in per cent, after each run's best epoch", classes, body);
}

/** The confusion matrix of a run: rows are labels, and columns are predictions. Undefined for a run without one. */
export function confusionTable({ confusion, classes }: ReportRun): string | undefined {
  if (confusion === undefined) return undefined;
  const shares = confusion.map((row) => {
    const images = row.reduce((total, n) => total + n, 0);
    return row.map((n) => (images === 0 ? undefined : n / images));
  });
  const mistakes = shares.flatMap((row, label) => row.filter((_, taken) => taken !== label).map((share) => share ?? 0));
  const most = Math.max(maximumOf(mistakes), 1e-9);
  const body = shares.map((row, label) => {
    const cells = row.map((share, taken) =>
      taken === label
        ? `<td class="right">${share === undefined ? "" : formatShare(share, 0)}</td>`
        : shaded(share, most, share ? String(Math.round(100 * share)) : "·"),
    );
    return `<tr><th scope="row">${escaped(classes[label] ?? String(label))}</th>${cells.join("")}</tr>`;
  });
  return heatTable("Images of each class (row) in per cent, by predicted class (column)", classes, body);
}

const heatTable = (caption: string, classes: readonly string[], rows: readonly string[]): string =>
  `<table class="heat"><caption>${caption}</caption><thead><tr><th></th>${columns(classes)}</tr></thead>` +
  `<tbody>${rows.join("")}</tbody></table>`;
