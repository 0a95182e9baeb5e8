/** Formats numbers and tables for people. */

import { largest } from "../core/extent.ts";
import { printableLine } from "./printable-output.ts";

export const formatPercent = (share: number): string => `${(100 * share).toFixed(1)} %`;

export const formatCount = (count: number): string => Math.round(count).toLocaleString("en-US");

export const formatMegabytes = (bytes: number): string => {
  const megabytes = bytes / 1e6;
  return `${megabytes < 10 ? megabytes.toFixed(1) : formatCount(megabytes)} MB`;
};

/** A time in milliseconds, without its unit: `0.123`, `45.6`. */
export const formatMilliseconds = (ms: number): string => ms.toFixed(ms < 10 ? 3 : 1);

/** `0:07`, `12:30`, `1:02:03`. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (n: number): string => String(n).padStart(2, "0");
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** Three significant digits, without zeros at the end. */
export const formatRate = (rate: number): string => String(Number(rate.toPrecision(3)));

/** `1 epoch`, `1,200 steps`. */
export const plural = (count: number, noun: string): string => `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;

/** `label   value`, one row a line. All values begin in column `width`. */
export const formatRows = (rows: readonly (readonly string[])[], width: number): string =>
  rows.map(([label, value]) => `${label!.padEnd(width)}${printableLine(value!)}\n`).join("");

/** A table whose columns are as wide as their widest cell. `align` has an entry a column. */
export function formatTable(header: readonly string[], body: readonly (readonly string[])[], align: readonly ("left" | "right")[]): string {
  const rows = body.map((row) => row.map(printableLine));
  const widths = header.map((title, column) => largest([title, ...rows.map((row) => row[column]!)].map(({ length }) => length)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => (align[column] === "right" ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!)))
      .join("  ")
      .trimEnd();
  return `${[header, ...rows].map((row) => `  ${line(row)}\n`).join("")}`;
}
