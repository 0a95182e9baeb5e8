/** The optimiser, the weight decay and the schedules that settings describe. */

import { matricesOf } from "../nn/matrix-view.ts";
import type { Parameter } from "../nn/state.ts";
import { Adam } from "../train/adam.ts";
import { AveragedOptimizer } from "../train/averaged-optimizer.ts";
import { CombinedOptimizer } from "../train/combined-optimizer.ts";
import type { Classifier } from "../train/evaluate.ts";
import { Lookahead } from "../train/lookahead.ts";
import { Muon } from "../train/muon.ts";
import type { Optimizer, ParameterGroup } from "../train/optimizer.ts";
import { parameterGroups } from "../train/parameter-groups.ts";
import { cosine, multiStep, oneCycle, type Schedule, triangular } from "../train/schedules.ts";
import { Sgd } from "../train/sgd.ts";
import { type RateRule, structuredRates, withRates } from "../train/structured-rates.ts";
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
 * @param steps the steps of the whole run, by which the decay of Lookahead grows. Default: it does not grow.
 */
export function createOptimizer(settings: Settings, model: Classifier, structured: number, steps?: number): Optimizer {
  const { weightDecay, frobeniusDecay = false, normRate = 1, classifierRate = 1, vectorRate = 1, lookahead, ema } = settings;
  const decay = { full: weightDecay, compressed: frobeniusDecay ? 0 : structured };
  const parameters = model.parameters();
  const groupsOf: GroupsOf = (some, rule) => {
    const groups = parameterGroups(some, decay, { norm: normRate, classifier: classifierRate, vector: vectorRate });
    return rule === undefined ? groups : withRates(groups, structuredRates(model, rule));
  };
  let optimizer = optimizerOf(settings, parameters, groupsOf);
  if (lookahead !== undefined)
    optimizer = new Lookahead(optimizer, parameters, { decay: lookahead, ...(steps === undefined ? {} : { steps }) });
  return ema === undefined ? optimizer : new AveragedOptimizer(optimizer, parameters, { decay: ema });
}

/** The groups of some parameters. With a rule, the factors of structured maps have rates of their own. */
type GroupsOf = (parameters: ReadonlyMap<string, Parameter>, rule?: RateRule) => ParameterGroup[];

function optimizerOf(
  { optimizer, momentum, nesterov, iterations, normalise, structuredRates: structured = optimizer === "muon" }: Settings,
  parameters: ReadonlyMap<string, Parameter>,
  groupsOf: GroupsOf,
): Optimizer {
  const ruled = (rule: RateRule): RateRule | undefined => (structured ? rule : undefined);
  if (optimizer === "sgd") return new Sgd(groupsOf(parameters, ruled("sgd")), { momentum, nesterov });
  if (optimizer !== "muon") return new Adam(groupsOf(parameters, ruled("adam")), { decoupled: optimizer === "adamw" });
  const isHidden = (parameter: Parameter): boolean => parameter.role === "weight" && matricesOf(parameter) !== undefined;
  const [hidden, others] = [true, false].map((wanted) => new Map([...parameters].filter(([, p]) => isHidden(p) === wanted)));
  const options = {
    momentum,
    nesterov,
    ...(iterations === undefined ? {} : { iterations }),
    ...(normalise === undefined ? {} : { normalise }),
  };
  return new CombinedOptimizer(new Muon(groupsOf(hidden!, ruled("muon")), options), new Sgd(groupsOf(others!), { momentum, nesterov }));
}

/** The rate of drop-path, which rises linearly from 0 over the epochs; undefined for a run without drop-path. */
export const dropPathSchedule = ({ dropPath = 0, epochs }: Settings): Schedule | undefined =>
  dropPath === 0 ? undefined : (epoch) => (dropPath * Math.floor(epoch)) / epochs;

/** The learning rate by the epoch. */
export function createSchedule({ schedule, learningRate, epochs, milestones: passed = [], factor, ...settings }: Settings): Schedule {
  const { startRate: start, endRate: end } = settings;
  const warmup = settings.warmup === undefined ? {} : { warmup: settings.warmup };
  if (schedule === "one-cycle") return oneCycle({ peak: learningRate, epochs, ...warmup });
  if (schedule === "triangular")
    return triangular({
      peak: learningRate,
      epochs,
      ...warmup,
      ...(start === undefined ? {} : { start }),
      ...(end === undefined ? {} : { end }),
    });
  if (schedule === "cosine") return cosine({ base: learningRate, epochs });
  return multiStep({ base: learningRate, milestones: passed, factor });
}
