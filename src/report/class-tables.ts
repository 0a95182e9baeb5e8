/** Which classes each network gets wrong, and what the best takes them for, as tables shaded by their numbers. */

import { formatShare } from "./axes.ts";
import { heatColour } from "./picture-png.ts";
import type { ReportRun } from "./report-run.ts";
import { nameOf } from "./scatter-plot.ts";
import { escaped } from "./svg.ts";

type Confusion = readonly (readonly number[])[];

/** Share of each class's images taken for another. */
export const classErrors = (confusion: Confusion): (number | undefined)[] =>
  confusion.map((row, label) => {
    const images = row.reduce((total, n) => total + n, 0);
    return images === 0 ? undefined : 1 - row[label]! / images;
  });

/** A cell, the darker the larger its share of `most`; ink that can be read on it. */
function shaded(share: number | undefined, most: number, text: string): string {
  if (share === undefined) return "<td></td>";
  const [r, g, b] = heatColour(share / most);
  const ink = 0.299 * r + 0.587 * g + 0.114 * b > 140 ? "#111" : "#fff";
  return `<td style="background:rgb(${r},${g},${b});color:${ink}">${text}</td>`;
}

const columns = (names: readonly string[]): string => names.map((name) => `<th scope="col"><span>${escaped(name)}</span></th>`).join("");

/** Rows are runs, columns classes; undefined where no run was tested class by class. */
export function classErrorTable(runs: readonly ReportRun[]): string | undefined {
  const classes = runs.find(({ confusion }) => confusion !== undefined)?.classes;
  if (classes === undefined) return undefined;
  const rows = runs
    .filter((run) => run.confusion !== undefined && run.classes.length === classes.length)
    .map((run) => ({ run, errors: classErrors(run.confusion!) }));
  const most = Math.max(...rows.flatMap(({ errors }) => errors.map((error) => error ?? 0)), 1e-9);
  const body = rows.map(({ run, errors }) => {
    const cells = errors.map((error) => shaded(error, most, error === undefined ? "" : String(Math.round(100 * error))));
    return `<tr><th scope="row">${escaped(nameOf(run))}</th>${cells.join("")}</tr>`;
  });
  return `<table class="heat"><caption>Error in per cent, after each run's best epoch</caption><thead><tr><th></th>${columns(classes)}</tr></thead><tbody>${body.join("")}</tbody></table>`;
}

/** Rows are what the images show, columns what they were taken for. */
export function confusionTable({ confusion, classes }: ReportRun): string | undefined {
  if (confusion === undefined) return undefined;
  const shares = confusion.map((row) => {
    const images = row.reduce((total, n) => total + n, 0);
    return row.map((n) => (images === 0 ? undefined : n / images));
  });
  const mistakes = shares.flatMap((row, label) => row.filter((_, taken) => taken !== label).map((share) => share ?? 0));
  const most = Math.max(...mistakes, 1e-9);
  const body = shares.map((row, label) => {
    const cells = row.map((share, taken) =>
      taken === label
        ? `<td class="right">${share === undefined ? "" : formatShare(share, 0)}</td>`
        : shaded(share, most, share ? String(Math.round(100 * share)) : "·"),
    );
    return `<tr><th scope="row">${escaped(classes[label] ?? String(label))}</th>${cells.join("")}</tr>`;
  });
  return `<table class="heat"><caption>Of each class (row), per cent taken for another (column)</caption><thead><tr><th></th>${columns(classes)}</tr></thead><tbody>${body.join("")}</tbody></table>`;
}
