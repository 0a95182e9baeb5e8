/** The roofline as the table of docs/gpu.md. */

import { problems } from "./problems.ts";
import { h100, type RooflineRow, rooflineOf } from "./roofline.ts";

/** Three digits, and whole numbers as they are. */
const figure = (value: number): string => (value >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3))));

function cellsOf(row: RooflineRow, isFirst: boolean): string[] {
  const { loaded, shared, memory } = row.intensity;
  return [
    isFirst ? row.name : "…",
    `\`${row.program}\``,
    row.threads.toLocaleString("en"),
    String(row.lanes),
    figure(row.loads),
    row.multiplyAdds === undefined ? "" : figure(row.multiplyAdds),
    figure(row.indexSteps),
    row.multiplyAdds === undefined ? "" : [loaded, shared, memory].map(figure).join(" / "),
    row.bound,
    row.multiplyAdds === undefined ? "" : `${figure(100 * row.share)} %`,
  ];
}

const header = [
  ...["kernel", "program", "threads", "results", "loads", "multiply-adds", "index steps"],
  ...["FLOP per byte: loaded / shared / memory", "bound", "of the peak at most"],
];

/** A row for each launch of each problem. */
export function rooflineMarkdown(): string {
  const rows = problems.flatMap((problem) => rooflineOf(problem, h100).map((row, index) => cellsOf(row, index === 0)));
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  const rule = header.map((_, column) => (column < 2 || column === 8 ? "---" : "--:"));
  return [header, rule, ...rows].map(line).join("\n");
}
