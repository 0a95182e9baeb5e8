/** A comparison as text. */

import { formatTable } from "../../../src/cli/format.ts";
import type { ComparisonRow } from "./compare.ts";

/** The columns of `comparisonCells`. */
export const comparisonHeader = ["benchmark", "library", "ms", "min", "max", "repeats", "GFLOP/s", "GB/s", "time / ours"];

export const comparisonCells = (row: ComparisonRow): string[] =>
  "ms" in row
    ? [
        row.name,
        row.contender,
        row.ms.toPrecision(4),
        row.minMs.toPrecision(4),
        row.maxMs.toPrecision(4),
        String(row.repeats),
        row.gflops === 0 ? "–" : row.gflops.toFixed(1),
        row.gigabytesPerSecond?.toFixed(1) ?? "–",
        `${row.ratio.toFixed(2)} ×`,
      ]
    : [row.name, row.contender, ...["–", "–", "–", "–", "–", "–", "–"]];

/** Why a row has no times; undefined where it has. */
export const whyNone = (row: ComparisonRow): string | undefined =>
  "error" in row
    ? `${row.name}: ${row.contender} cannot: ${row.error}`
    : "skipped" in row
      ? `${row.name}: ${row.contender} skipped: ${row.skipped}`
      : undefined;

/** The versions, the table, and the reasons of rows without times. */
export function comparisonText(versions: Readonly<Record<string, string>>, rows: readonly ComparisonRow[]): string {
  const libraries = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const alignments = comparisonHeader.map((_, column) => (column < 2 ? "left" : "right") as "left" | "right");
  const reasons = rows.flatMap((row) => whyNone(row) ?? []).map((reason) => `\n  ${reason}`);
  return `${libraries.join(", ")}\n\n${formatTable(comparisonHeader, rows.map(comparisonCells), alignments)}${reasons.join("")}\n`;
}
