/** The search for a learning rate: short training at rates that rise until the loss explodes (Smith 2017, arXiv 1506.01186, §3.3). */

import { DataError } from "../core/errors.ts";
import { checkNumbers } from "../core/numbers.ts";
import { checkOptions, type OptionNames, optionNames } from "../core/options.ts";
import type { Batch } from "../data/batches.ts";
import { Trainer, type TrainerOptions, trainerOptions } from "./trainer.ts";

/** The training whose rate is sought. The network and the optimiser are changed by the search: make new ones for the training. */
export interface FindRateOptions extends Omit<TrainerOptions, "schedule" | "batchesPerEpoch"> {
  /** The batches of the search. It takes the first `steps` of them. */
  readonly batches: Iterable<Batch> | AsyncIterable<Batch>;
  /** Default: 100. */
  readonly steps?: number;
  /** The first rate. Default: 1e-4. */
  readonly lowest?: number;
  /** The last rate, above the first. Default: 10. */
  readonly highest?: number;
  /** Called and awaited after every step, with the number of steps done. */
  readonly onStep?: (done: number) => void | Promise<void>;
  /** Stops the search after the current step when aborted. */
  readonly signal?: AbortSignal | undefined;
}

const { schedule: _, batchesPerEpoch: __, ...ofTrainer } = trainerOptions;

/** The names of `FindRateOptions`. */
export const findRateOptions: OptionNames = {
  ...ofTrainer,
  ...optionNames<Omit<FindRateOptions, keyof TrainerOptions>>({
    batches: true,
    steps: true,
    lowest: true,
    highest: true,
    onStep: true,
    signal: true,
  }),
};

/** The loss at one rate. */
export interface RatePoint {
  readonly rate: number;
  /** The mean cross-entropy of the batch. */
  readonly loss: number;
  /** The average of the losses so far, in which older ones fade. */
  readonly smoothed: number;
}

export interface FoundRate {
  readonly points: readonly RatePoint[];
  /** The rate at which the smoothed loss falls fastest on its way to the minimum; undefined where it never falls. */
  readonly suggestion: number | undefined;
}

/** The weight of the newest loss in the smoothed one. */
const newest = 0.15;
/** The search ends when the smoothed loss is so many times the smallest one. */
const explosion = 3;
/** The points on each side that a slope is measured over, so that single batches do not decide. */
const reach = 3;

/**
 * Takes a step at each of `steps` rates, evenly spaced on a logarithmic axis from the lowest to the highest. It ends earlier when the loss
 * explodes or is not finite.
 * @throws ConfigError for rates out of order, and for fewer than 2 steps.
 */
export async function findRate(options: FindRateOptions): Promise<FoundRate> {
  checkOptions("findRate", options, findRateOptions);
  const { batches, steps = 100, lowest = 1e-4, highest = 10, onStep, signal, ...training } = options;
  checkNumbers("findRate", { steps }, { integer: true, least: 2 });
  checkNumbers("findRate", { lowest }, { above: 0 });
  checkNumbers("findRate", { highest }, { above: lowest });
  const schedule = (progress: number): number => lowest * (highest / lowest) ** ((progress * steps) / (steps - 1));
  const trainer = new Trainer({ ...training, schedule, batchesPerEpoch: steps });
  const points: RatePoint[] = [];
  let smoothed: number | undefined;
  let least = Number.POSITIVE_INFINITY;
  for await (const batch of batches) {
    const report = await stepOrEnd(trainer, batch);
    if (report === undefined) break;
    const { learningRate: rate, loss } = report;
    smoothed = smoothed === undefined ? loss : smoothed + newest * (loss - smoothed);
    least = Math.min(least, smoothed);
    points.push({ rate, loss, smoothed });
    await onStep?.(points.length);
    if (signal?.aborted || points.length === steps || smoothed > explosion * least) break;
  }
  return { points, suggestion: steepest(points) };
}

/** A step; undefined where its loss is not finite. */
async function stepOrEnd(trainer: Trainer, batch: Batch): Promise<{ learningRate: number; loss: number } | undefined> {
  try {
    return await trainer.step(batch);
  } catch (error) {
    if (error instanceof DataError) return undefined;
    throw error;
  }
}

/**
 * The rate of the steepest descent before the smallest smoothed loss; undefined where the smoothed loss never falls. A loss that falls again
 * after it has exploded says nothing about the rate.
 */
export function steepest(points: readonly RatePoint[]): number | undefined {
  let [slope, rate]: [number, number | undefined] = [0, undefined];
  const lowest = points.reduce((best, { smoothed }, i) => (smoothed < points[best]!.smoothed ? i : best), 0);
  for (let i = reach; i + reach <= lowest; i++) {
    const [before, after] = [points[i - reach]!, points[i + reach]!];
    const fall = (after.smoothed - before.smoothed) / Math.log(after.rate / before.rate);
    if (fall < slope) [slope, rate] = [fall, points[i]!.rate];
  }
  return rate;
}
