/** The table of what CRS gives: the errors of the same networks with the scaled weight decay and with the unscaled one. */

import type { SweepResult } from "../../src/experiment/node/sweep/sweep-results.ts";
import { markdownTable } from "../.vitepress/figures/markdown-tables.ts";

const percent = (error: number): string => (100 * error).toFixed(2);

/** One row for each result without CRS that has a partner with it: the same network, convolution, seed and teacher. */
export function crsTable(scaled: readonly SweepResult[], unscaled: readonly SweepResult[]): string {
  const rows = unscaled.flatMap(({ id, convolution, testAccuracy, compressionRatio }) => {
    const partner = scaled.find((result) => result.id === id);
    if (partner === undefined || partner.testAccuracy === null || testAccuracy === null) return [];
    const [error, plainError] = [1 - partner.testAccuracy, 1 - testAccuracy];
    return [[`\`${convolution}\``, compressionRatio.toFixed(3), percent(error), percent(plainError), percent(plainError - error)]];
  });
  return markdownTable(["convolution", "decay times", "error with CRS, %", "error without, %", "CRS gains"], rows);
}
