/** Learning rates as pure functions of the progress of training. So a resumed run needs no state of its schedule. */

import { ConfigError } from "../core/errors.ts";
import { checkNumbers } from "../core/numbers.ts";
import { checkOptions, type OptionNames, optionNames } from "../core/options.ts";

/** The learning rate after `progress` epochs, which need not be a whole number. */
export type Schedule = (progress: number) => number;

function check(op: string, values: Record<string, number>): void {
  for (const [name, value] of Object.entries(values))
    if (!(Number.isFinite(value) && value > 0)) throw new ConfigError(`${op}: ${name} must be finite and above 0, got ${value}`);
}

/**
 * base·factorⁿ, where n is the number of milestones (in whole epochs) that have passed.
 * @throws ConfigError for numbers that are not finite or not above 0.
 */
export function multiStep({ base, milestones, factor }: { base: number; milestones: readonly number[]; factor: number }): Schedule {
  check("multiStep", { base, factor });
  if (milestones.some(Number.isNaN)) throw new ConfigError(`multiStep: milestones must be numbers of epochs, got [${milestones}]`);
  return (progress) => base * factor ** milestones.filter((milestone) => Math.floor(progress) >= milestone).length;
}

/**
 * ½·base·(1 + cos(π·e/epochs)) for whole epochs e (Loshchilov & Hutter 2017, arXiv 1608.03983, equation 5, without restarts).
 * @throws ConfigError for numbers that are not finite or not above 0.
 */
export function cosine({ base, epochs }: { base: number; epochs: number }): Schedule {
  check("cosine", { base, epochs });
  return (progress) => (base * (1 + Math.cos((Math.PI * Math.min(Math.floor(progress), epochs)) / epochs))) / 2;
}

export interface TriangularOptions {
  /** The highest learning rate. */
  readonly peak: number;
  /** Length of the run. */
  readonly epochs: number;
  /** Share of the run before the peak, in [0, 1). Default: 0.23. */
  readonly warmup?: number;
  /** The first rate as a share of the peak, ≥ 0. Default: 0.2. */
  readonly start?: number;
  /** The last rate as a share of the peak, ≥ 0. Default: 0.07. */
  readonly end?: number;
}

/** The names of `TriangularOptions`. */
export const triangularOptions: OptionNames = optionNames<TriangularOptions>({
  peak: true,
  epochs: true,
  warmup: true,
  start: true,
  end: true,
});

/**
 * Rises in a straight line from start·peak to the peak, and then falls in a straight line to end·peak, at every step (Smith 2017, arXiv
 * 1506.01186; the defaults are those of airbench, arXiv 2404.00498). Its mean is peak·(warmup·(start + 1) + (1 − warmup)·(1 + end))/2.
 * @throws ConfigError for a peak or a length that is not finite or not above 0, and for shares out of range.
 */
export function triangular(options: TriangularOptions): Schedule {
  checkOptions("triangular", options, triangularOptions);
  const { peak, epochs, warmup = 0.23, start = 0.2, end = 0.07 } = options;
  check("triangular", { peak, epochs });
  checkNumbers("triangular", { warmup }, { least: 0, below: 1 });
  checkNumbers("triangular", { start, end }, { least: 0 });
  return (progress) => {
    const t = Math.min(1, progress / epochs);
    return peak * (t < warmup ? start + ((1 - start) * t) / warmup : 1 + ((end - 1) * (t - warmup)) / (1 - warmup));
  };
}

/**
 * Another schedule times min(1, progress/epochs): it rises in a straight line from 0 during the first epochs (Goyal et al. 2017, arXiv
 * 1706.02677, §2.2).
 * @throws ConfigError for a number of epochs that is not finite or not above 0.
 */
export function warmUp(schedule: Schedule, epochs: number): Schedule {
  check("warmUp", { epochs });
  return (progress) => schedule(progress) * Math.min(1, progress / epochs);
}

export interface OneCycleOptions {
  /** The highest learning rate. */
  readonly peak: number;
  /** Length of the run. */
  readonly epochs: number;
  /** Share of the run before the peak, in (0, 1). Default: 0.3. */
  readonly warmup?: number;
}

/** The names of `OneCycleOptions`. */
export const oneCycleOptions: OptionNames = optionNames<OneCycleOptions>({ peak: true, epochs: true, warmup: true });

/**
 * Rises along half a cosine from peak/25 to the peak, and then falls along half a cosine to peak/250,000. The rate changes at every step,
 * and not only at every epoch (Smith & Topin 2018, arXiv 1708.07120; the shape is that of PyTorch's OneCycleLR).
 * @throws ConfigError for a peak or a length that is not finite or not above 0, or a warm-up outside (0, 1).
 */
export function oneCycle(options: OneCycleOptions): Schedule {
  checkOptions("oneCycle", options, oneCycleOptions);
  const { peak, epochs, warmup = 0.3 } = options;
  check("oneCycle", { peak, epochs });
  if (!(warmup > 0 && warmup < 1)) throw new ConfigError(`oneCycle: warmup must be in (0, 1), got ${warmup}`);
  const [start, end] = [peak / 25, peak / 25 / 1e4];
  const anneal = (from: number, to: number, t: number): number => to + ((from - to) * (1 + Math.cos(Math.PI * t))) / 2;
  return (progress) => {
    const t = Math.min(1, progress / epochs);
    return t < warmup ? anneal(start, peak, t / warmup) : anneal(peak, end, (t - warmup) / (1 - warmup));
  };
}
