/** Which parameters share a weight decay. Each parameter says so itself; names mean nothing here. */

import type { Module } from "../nn/module.ts";
import type { Parameter } from "../nn/state.ts";
import type { ParameterGroup } from "./sgd.ts";

export interface WeightDecay {
  /** λ of ordinary weights. */
  readonly full: number;
  /** λ of structured maps; the same unless given. */
  readonly compressed?: number;
}

/** One group per kind of decay, each in order of declaration. */
export function decayGroups(model: Module, { full, compressed = full }: WeightDecay): ParameterGroup[] {
  const groups = { full: new Map<string, Parameter>(), compressed: new Map<string, Parameter>() };
  for (const [name, parameter] of model.parameters()) groups[parameter.decay].set(name, parameter);
  return [
    { parameters: groups.full, weightDecay: full },
    { parameters: groups.compressed, weightDecay: compressed },
  ];
}
