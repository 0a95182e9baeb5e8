/** Groups a model's parameters by their weight decay. A parameter's group depends on its property `decay`, and never on its name. */

import type { Module } from "../nn/module.ts";
import type { Parameter } from "../nn/state.ts";
import type { ParameterGroup } from "./optimizer.ts";

export interface WeightDecay {
  /** λ of ordinary weights. */
  readonly full: number;
  /** λ of structured maps. Default: `full`. */
  readonly compressed?: number;
}

/** One group for each kind of decay. Parameters keep their order of declaration within a group. */
export function decayGroups(model: Module, { full, compressed = full }: WeightDecay): ParameterGroup[] {
  const groups = { full: new Map<string, Parameter>(), compressed: new Map<string, Parameter>() };
  for (const [name, parameter] of model.parameters()) groups[parameter.decay].set(name, parameter);
  return [
    { parameters: groups.full, weightDecay: full },
    { parameters: groups.compressed, weightDecay: compressed },
  ];
}
