/** The comparisons of `docs/benchmarks.md` as dots on a logarithmic axis, from the tables of the page. */

import { largest, smallest } from "../../../src/core/extent.ts";
import { tableRows } from "../figures/markdown-tables.ts";
import { box, line, type Paint, picture, text, textWidth } from "./svg.ts";

interface Series {
  readonly name: string;
  readonly paint: Paint;
}
/** A row of dots: a ratio for each series, or none where it was not measured. */
interface DotRow {
  readonly name: string;
  readonly ratios: readonly (number | undefined)[];
}

const steps = [1, 2, 5];
/** 0.01, 0.02, 0.05, 0.1, … 5,000. */
const allTicks = [-2, -1, 0, 1, 2, 3].flatMap((power) => steps.map((step) => Number((step * 10 ** power).toPrecision(1))));
const [full, rowHeight, top, radius] = [400, 22, 52, 5];

/** A row for each benchmark that has a ratio, and a dot for each ratio. An unbroken line stands where both sides take the same time. */
function ratioPicture(title: string, axis: string, series: readonly Series[], all: readonly DotRow[]): string {
  const rows = all.filter(({ ratios }) => ratios.some((ratio) => ratio !== undefined));
  const measured = rows.flatMap(({ ratios }) => ratios.filter((ratio) => ratio !== undefined)).concat(1);
  const [first, last] = [allTicks.findLast((tick) => tick <= smallest(measured)), allTicks.find((tick) => tick >= largest(measured))];
  if (first === undefined || last === undefined) throw new Error(`ratioPicture: ratios must be 0.01 to 5,000, got ${measured.join(", ")}`);
  const nameWidth = largest(rows.map(({ name }) => textWidth(name))) + 40;
  const at = (ratio: number): number => nameWidth + (full * Math.log(ratio / first)) / Math.log(last / first);
  const bottom = top + rows.length * rowHeight;
  const parts: string[] = [];
  let keyAt = 8;
  for (const { name, paint } of series) {
    parts.push(box(keyAt, 3, 2 * radius, 2 * radius, paint, radius), text(keyAt + 16, 13, name, { anchor: "start" }));
    keyAt += textWidth(name) + 34;
  }
  // A wide range has a line for each power of ten only, because the numbers above the lines would touch.
  const near = last / first <= 1000;
  for (const tick of allTicks.filter((value) => value >= first && value <= last && (near || Number.isInteger(Math.log10(value))))) {
    parts.push(line(at(tick), top - 6, at(tick), bottom, { dashed: tick !== 1 }));
    parts.push(text(at(tick), top - 12, tick.toLocaleString("en"), { paint: "dim", bold: tick === 1 }));
  }
  rows.forEach(({ name, ratios }, i) => {
    const middle = top + (i + 0.5) * rowHeight;
    parts.push(text(nameWidth - 16, middle + 4, name, { anchor: "end" }));
    // The last series is drawn first, so that the first one is never hidden.
    for (const [s, { paint }] of [...series.entries()].toReversed()) {
      const ratio = ratios[s];
      if (ratio !== undefined) parts.push(box(at(ratio) - radius, middle - radius, 2 * radius, 2 * radius, paint, radius));
    }
  });
  parts.push(text(nameWidth + full / 2, bottom + 20, axis, { paint: "dim" }));
  return picture(nameWidth + full + 24, bottom + 30, title, parts);
}

/** The number that a pattern captures in a cell. */
const numberIn = (cell: string | undefined, pattern: RegExp): number | undefined => {
  const digits = pattern.exec(cell ?? "")?.[1];
  return digits === undefined ? undefined : Number(digits.replaceAll(",", ""));
};

/** The times of separable divided by the times of PyTorch, on one thread and on two. */
export function torchPicture(page: string): string {
  const rows = tableRows(page, /^## (PyTorch)$/, "separable / PyTorch").map(({ row }) => row);
  const names = [...new Set(rows.map(({ benchmark }) => benchmark!))];
  const ratioOf = (name: string, threads: string): number | undefined =>
    numberIn(rows.find((row) => row.benchmark === name && row.threads === threads)?.["separable / PyTorch"], /^([\d.,]+)/);
  return ratioPicture(
    "Time of separable divided by the time of PyTorch, for each benchmark.",
    "time of separable / time of PyTorch: left of 1 separable is faster",
    [
      { name: "1 thread", paint: "accent" },
      { name: "2 threads", paint: "other" },
    ],
    names.map((name) => ({ name, ratios: ["1", "2"].map((threads) => ratioOf(name, threads)) })),
  );
}

/** The times of other JavaScript libraries divided by ours. */
export function peersPicture(page: string): string {
  const rows = tableRows(page, /^### `(npm run bench:peers)`$/, "benchmark, ms").map(({ row }) => row);
  const columns = Object.keys(rows[0] ?? {}).filter((column) => /^(tfjs|jax)/.test(column));
  const paints: readonly Paint[] = ["accent", "bar", "other", "mark"];
  return ratioPicture(
    "Time of other libraries divided by the time of separable, for each benchmark.",
    "time of the library / time of separable: right of 1 separable is faster",
    columns.map((name, i) => ({ name, paint: paints[i]! })),
    rows.map((row) => ({
      name: row["benchmark, ms"]!,
      ratios: columns.map((column) => numberIn(row[column], /\(([\d.,]+) ×\)/)),
    })),
  );
}
