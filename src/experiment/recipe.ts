/** The optimiser, the weight decay and the schedules that settings describe. */

import { Adam } from "../train/adam.ts";
import type { Classifier } from "../train/evaluate.ts";
import type { Optimizer } from "../train/optimizer.ts";
import { decayGroups } from "../train/parameter-groups.ts";
import { cosine, multiStep, oneCycle, type Schedule } from "../train/schedules.ts";
import { Sgd } from "../train/sgd.ts";
import { structuredRates, withRates } from "../train/structured-rates.ts";
import type { Settings } from "./setting-rules.ts";

/**
 * The weight decay λ of structured maps. The paper scales λ by the compression ratio (CRS decay, §3.2); `crs: false` switches the scaling
 * off.
 *
 * @param ratio computes the compression ratio. It is called only when the ratio is needed.
 */
export const structuredDecay = ({ weightDecay, crs = true }: Settings, ratio: () => number): number =>
  crs ? weightDecay * ratio() : weightDecay;

/**
 * The optimiser of `model`.
 *
 * @param structured the weight decay of structured maps. Under Frobenius decay it is not applied to the factors: the loss contains a
 * penalty on the norm of their product instead.
 */
export function createOptimizer(
  { optimizer, momentum, nesterov, weightDecay, frobeniusDecay = false, structuredRates: scaled = false }: Settings,
  model: Classifier,
  structured: number,
): Optimizer {
  const byDecay = decayGroups(model, { full: weightDecay, compressed: frobeniusDecay ? 0 : structured });
  const groups = scaled ? withRates(byDecay, structuredRates(model, optimizer === "sgd" ? "sgd" : "adam")) : byDecay;
  if (optimizer === "sgd") return new Sgd(groups, { momentum, nesterov });
  return new Adam(groups, { decoupled: optimizer === "adamw" });
}

/** The rate of drop-path, which rises linearly from 0 over the epochs; undefined for a run without drop-path. */
export const dropPathSchedule = ({ dropPath = 0, epochs }: Settings): Schedule | undefined =>
  dropPath === 0 ? undefined : (epoch) => (dropPath * Math.floor(epoch)) / epochs;

/** The learning rate by the epoch. */
export function createSchedule({ schedule, learningRate, epochs, milestones: passed = [], factor }: Settings): Schedule {
  if (schedule === "one-cycle") return oneCycle({ peak: learningRate, epochs });
  if (schedule === "cosine") return cosine({ base: learningRate, epochs });
  return multiStep({ base: learningRate, milestones: passed, factor });
}
