/** The tables of docs/results.md: the accuracy at each rate, without and with learning rates by structure. */

import { largest } from "../../src/core/extent.ts";
import { markdownTable } from "../.vitepress/figures/markdown-tables.ts";
import { factoredSpecs, type MeasuredOptimizer, type RateResult, ratesOf } from "./results.ts";

const percent = (share: number): string => (100 * share).toFixed(1);
const best = (results: readonly RateResult[]): number => largest(results.map(({ accuracy }) => accuracy));
const mean = (results: readonly RateResult[]): number => results.reduce((sum, { accuracy }) => sum + accuracy, 0) / results.length;

/** The accuracies of one optimiser: `without / with` at each rate, then what structured rates add to the best and to the mean. */
export function rateTable(all: readonly RateResult[], optimizer: MeasuredOptimizer): string {
  const rows = factoredSpecs.map((spec) => {
    const own = all.filter((result) => result.convolution === spec && result.optimizer === optimizer);
    const [plain, structured] = [own.filter((result) => !result.structured), own.filter((result) => result.structured)];
    const gains = [best, mean].map((of) => 100 * (of(structured) - of(plain)));
    return [
      `\`${spec}\``,
      ...ratesOf[optimizer].map((rate) =>
        [plain, structured].map((results) => percent(results.find((result) => result.rate === rate)!.accuracy)).join(" / "),
      ),
      ...gains.map((gain) => (gain < 0 ? gain.toFixed(1) : `+${gain.toFixed(1)}`)),
    ];
  });
  const header = [
    `\`--optimizer ${optimizer}\``,
    ...ratesOf[optimizer].map((rate) => `rate ${rate}`),
    "gain of the best",
    "gain of the mean",
  ];
  return markdownTable(header, rows);
}
