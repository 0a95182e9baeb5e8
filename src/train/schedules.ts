/** Learning rates over time: pure functions of progress, so a resumed run needs to know only how far it came. */

import { ConfigError } from "../core/errors.ts";

/** Learning rate at `progress` epochs, fractions included. */
export type Schedule = (progress: number) => number;

function check(op: string, values: Record<string, number>): void {
  for (const [name, value] of Object.entries(values))
    if (!(Number.isFinite(value) && value > 0)) throw new ConfigError(`${op}: ${name} must be finite and above 0, got ${value}`);
}

/** base·factorⁿ with n the milestones (in whole epochs) passed. */
export function multiStep({ base, milestones, factor }: { base: number; milestones: readonly number[]; factor: number }): Schedule {
  check("multiStep", { base, factor });
  if (milestones.some(Number.isNaN)) throw new ConfigError(`multiStep: milestones must be numbers of epochs, got [${milestones}]`);
  return (progress) => base * factor ** milestones.filter((milestone) => Math.floor(progress) >= milestone).length;
}

/** ½·base·(1 + cos(π·e/epochs)) for whole epochs e (Loshchilov & Hutter 2017, 1608.03983, eq. 5, without restarts). */
export function cosine({ base, epochs }: { base: number; epochs: number }): Schedule {
  check("cosine", { base, epochs });
  return (progress) => (base * (1 + Math.cos((Math.PI * Math.min(Math.floor(progress), epochs)) / epochs))) / 2;
}

/**
 * Up from peak/25 to the peak over the first `warmup` of the run, then down to almost 0, both along half a cosine and by the step,
 * not the epoch (Smith & Topin 2018, 1708.07120; the shape of torch's OneCycleLR).
 */
export function oneCycle({ peak, epochs, warmup = 0.3 }: { peak: number; epochs: number; warmup?: number }): Schedule {
  check("oneCycle", { peak, epochs });
  if (!(warmup > 0 && warmup < 1)) throw new ConfigError(`oneCycle: warmup must be in (0, 1), got ${warmup}`);
  const [start, end] = [peak / 25, peak / 25 / 1e4];
  const anneal = (from: number, to: number, t: number): number => to + ((from - to) * (1 + Math.cos(Math.PI * t))) / 2;
  return (progress) => {
    const t = Math.min(1, progress / epochs);
    return t < warmup ? anneal(start, peak, t / warmup) : anneal(peak, end, (t - warmup) / (1 - warmup));
  };
}
