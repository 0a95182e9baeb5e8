/** The one statistic of a report: the mean over seeds, with the sample standard deviation. */

import { formatShare } from "./axes.ts";

/** A quantity measured once for each seed. */
export interface Estimate {
  readonly mean: number;
  /** The sample standard deviation, √(Σ (x − mean)²/(n − 1)); undefined for one seed, which shows no spread. */
  readonly std: number | undefined;
  readonly seeds: number;
}

/** The estimate from one value for each seed. @param values At least one. */
export function estimate(values: readonly number[]): Estimate {
  const seeds = values.length;
  const mean = values.reduce((total, value) => total + value, 0) / seeds;
  if (seeds === 1) return { mean, std: undefined, seeds };
  const squares = values.reduce((total, value) => total + (value - mean) ** 2, 0);
  return { mean, std: Math.sqrt(squares / (seeds - 1)), seeds };
}

/** A share as per cent with its spread: `12.3 ± 0.4 %`, or `12.3 %` for one seed. @param digits Digits after the point. */
export const formatEstimate = ({ mean, std }: Estimate, digits = 1): string =>
  std === undefined ? formatShare(mean, digits) : `${(100 * mean).toFixed(digits)} ± ${formatShare(std, digits)}`;

/** `1 seed`, `3 seeds`. */
export const formatSeeds = (seeds: number): string => `${seeds} ${seeds === 1 ? "seed" : "seeds"}`;
