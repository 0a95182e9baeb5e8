/** The table of docs/compress.md: what each family keeps of a network at one budget, and what tuning brings back. */

import { markdownTable } from "../.vitepress/figures/markdown-tables.ts";
import type { CompressResult } from "./results.ts";

const percent = (share: number): string => (100 * share).toFixed(2);
const header = ["family", "parameters", "share", "error of the kernels", "accuracy before", "compressed", "tuned"];

/** The table as Markdown, the most accurate family first. */
export const compressTable = (results: readonly CompressResult[]): string =>
  markdownTable(
    header,
    [...results]
      .sort((a, b) => b.tuned - a.tuned)
      .map(({ family, parametersBefore, parametersAfter, relativeError, before, after, tuned }) => [
        `\`${family}\``,
        parametersAfter.toLocaleString("en-US"),
        `${((100 * parametersAfter) / parametersBefore).toFixed(1)} %`,
        `${(100 * relativeError).toFixed(1)} %`,
        ...[before, after, tuned].map((share) => `${percent(share)} %`),
      ]),
  );
