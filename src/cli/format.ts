/** Numbers as people read them. */

export const formatPercent = (share: number): string => `${(100 * share).toFixed(1)} %`;

export const formatCount = (count: number): string => Math.round(count).toLocaleString("en-US");

export const formatMegabytes = (bytes: number): string => {
  const megabytes = bytes / 1e6;
  return `${megabytes < 10 ? megabytes.toFixed(1) : formatCount(megabytes)} MB`;
};

/** `0:07`, `12:30`, `1:02:03`. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (n: number): string => String(n).padStart(2, "0");
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** Three significant digits, without a tail of zeros. */
export const formatRate = (rate: number): string => String(Number(rate.toPrecision(3)));

export const plural = (count: number, noun: string): string => `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;

/** Columns as wide as their widest cell; numbers right, words left. */
export function formatTable(header: readonly string[], rows: readonly (readonly string[])[], align: readonly ("left" | "right")[]): string {
  const widths = header.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]!.length)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => (align[column] === "right" ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!)))
      .join("  ")
      .trimEnd();
  return `${[header, ...rows].map((row) => `  ${line(row)}\n`).join("")}`;
}
