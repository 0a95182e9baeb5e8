/** The table of what a training step of WRN-50-2 holds. */

import { markdownTable } from "../.vitepress/figures/markdown-tables.ts";
import type { MemoryResult } from "./results.ts";

/** A parameter in float32, its momentum and its gradient. */
const bytesPerParameter = 12;

const header = [
  "convolution",
  "parameters",
  "parameters, momenta and gradients, MB",
  "activations and work space, MB",
  "all, MB",
  "share of `Conv`",
];

const count = (value: number): string => Math.round(value).toLocaleString("en-US");

/** The table as Markdown. Activations and work space are what is left of the peak. @throws Error without a measurement of `Conv`. */
export function memoryTable(results: readonly MemoryResult[]): string {
  const dense = results.find(({ convolution }) => convolution === "Conv");
  if (dense === undefined) throw new Error("memory: results.jsonl must have a line of Conv; measure it");
  const rows = results.map(({ convolution, parameters, peak }) => {
    const trained = (bytesPerParameter * parameters) / 1e6;
    const cells = [count(parameters), count(trained), count(peak - trained), count(peak), `${((100 * peak) / dense.peak).toFixed(0)} %`];
    return [`\`${convolution}\``, ...cells];
  });
  return markdownTable(header, rows);
}
