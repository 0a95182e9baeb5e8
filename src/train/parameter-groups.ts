/**
 * Groups a model's parameters by their weight decay and by the factor of their learning rate. A parameter's group depends on its properties
 * `decay` and `role`, and on whether it is a vector, and never on its name.
 */

import { checkNumbers } from "../core/numbers.ts";
import { checkOptions, type OptionNames, optionNames } from "../core/options.ts";
import { matricesOf } from "../nn/matrix-view.ts";
import type { Module } from "../nn/module.ts";
import type { Decay, Parameter, Role } from "../nn/state.ts";
import type { ParameterGroup } from "./optimizer.ts";

export interface WeightDecay {
  /** λ of ordinary weights. */
  readonly full: number;
  /** λ of structured maps. Default: `full`. */
  readonly compressed?: number;
}

/** Factors of the learning rate, by the role of a parameter. */
export interface RateFactors {
  /** The factor f > 0 for the scales and shifts of norms. Their weight decay is λ/f, so rate times decay stays. Default: 1. */
  readonly norm?: number;
  /** The factor f > 0 for the classifier. Its weight decay is λ/f too. Default: 1. */
  readonly classifier?: number;
  /**
   * The factor f > 0 for other weights that are vectors: biases, the diagonals of ACDC, the values of a hashed map. Muon leaves them to SGD, whose
   * rate may have to be another one. Their weight decay is λ/f too. Default: 1.
   */
  readonly vector?: number;
}

/** The names of `RateFactors`. */
export const rateFactors: OptionNames = optionNames<RateFactors>({ norm: true, classifier: true, vector: true });

/** One group for each kind of decay. Parameters keep their order of declaration within a group. */
export const decayGroups = (model: Module, decay: WeightDecay): ParameterGroup[] => parameterGroups(model.parameters(), decay);

/**
 * One group for each kind of decay and each factor of the rate. Parameters keep their order of declaration within a group.
 * @throws ConfigError for a factor that is not finite or not above 0.
 */
export function parameterGroups(
  parameters: ReadonlyMap<string, Parameter>,
  { full, compressed = full }: WeightDecay,
  factors: RateFactors = {},
): ParameterGroup[] {
  checkOptions("parameterGroups", factors, rateFactors);
  const { norm = 1, classifier = 1, vector = 1 } = factors;
  checkNumbers("parameterGroups", { norm, classifier, vector }, { above: 0 });
  const byRole: Readonly<Record<Role, number>> = { weight: 1, norm, classifier };
  const byDecay: Readonly<Record<Decay, number>> = { full, compressed };
  const groups = new Map<string, ParameterGroup & { readonly parameters: Map<string, Parameter> }>();
  for (const [name, parameter] of parameters) {
    const rateFactor = parameter.role === "weight" && matricesOf(parameter) === undefined ? vector : byRole[parameter.role];
    const key = `${parameter.decay} ${rateFactor}`;
    const group = groups.get(key) ?? {
      parameters: new Map<string, Parameter>(),
      weightDecay: byDecay[parameter.decay] / rateFactor,
      rateFactor,
    };
    group.parameters.set(name, parameter);
    groups.set(key, group);
  }
  return [...groups.values()];
}
