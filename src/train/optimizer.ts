/** The contract of optimisers, and the checks that all of them share. */

import { ConfigError, GradientError } from "../core/errors.ts";
import { kindOf } from "../core/options.ts";
import { formatShape, sameShape } from "../core/shape.ts";
import type { Parameter, State } from "../nn/state.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { WeightAverage } from "./weight-average.ts";

/** Parameters that share a weight decay and a factor of the learning rate. */
export interface ParameterGroup {
  /** By name. */
  readonly parameters: ReadonlyMap<string, Parameter>;
  /** λ ≥ 0. Default: 0. */
  readonly weightDecay?: number;
  /** The factor ≥ 0 by which the schedule's learning rate is multiplied. Default: 1. */
  readonly rateFactor?: number;
}

/** Updates parameters in place, given their gradients. */
export interface Optimizer {
  /** The parameters that are trainable now, in the order in which `step` takes gradients. Frozen parameters are left out. */
  readonly parameters: readonly Parameter[];
  /** The values of `parameters`: `optimizer.step(gradients(loss, optimizer.values), learningRate)`. */
  readonly values: readonly Tensor[];
  /** The average of the weights that the steps keep. `trainEpochs` evaluates it beside the weights. Default: none is kept. */
  readonly average?: WeightAverage;
  /**
   * Updates every trainable parameter once.
   * @throws ConfigError for a learning rate that is not finite or below 0, GradientError for gradients that do not fit.
   */
  step(gradients: readonly Tensor[], learningRate: number): void;
  /** The state, by name, that a checkpoint must hold for training to continue. */
  state(): Map<string, State>;
  /** Frees the state. The parameters stay. The optimiser cannot be used afterwards. */
  dispose(): void;
}

/** A parameter with its name and the settings of its group. */
export interface OptimizedParameter {
  readonly name: string;
  readonly parameter: Parameter;
  readonly weightDecay: number;
  readonly rateFactor: number;
}

/**
 * Every parameter of the groups with the settings of its group.
 * @throws ConfigError for a setting that is not finite or below 0, a parameter in two groups, or two parameters of one name.
 */
export function flattenGroups(op: string, groups: readonly ParameterGroup[]): OptimizedParameter[] {
  if (!Array.isArray(groups))
    throw new ConfigError(`${op}: needs a list of groups, got ${kindOf(groups)}; write new ${op}([{ parameters: network.parameters() }])`);
  const entries = (groups as readonly ParameterGroup[]).flatMap(({ parameters, weightDecay = 0, rateFactor = 1 }) => {
    for (const [name, value] of Object.entries({ weightDecay, rateFactor }))
      if (!(value >= 0 && Number.isFinite(value))) throw new ConfigError(`${op}: ${name} must be finite and ≥ 0, got ${value}`);
    return [...parameters].map(([name, parameter]) => ({ name, parameter, weightDecay, rateFactor }));
  });
  const seen = new Set<Parameter>();
  for (const { name, parameter } of entries) {
    if (seen.has(parameter)) throw new ConfigError(`${op}: a parameter must be in one group only, got ${name} in two; leave it out of one`);
    seen.add(parameter);
  }
  const names = entries.map(({ name }) => name);
  const repeated = names.find((name, i) => names.indexOf(name) !== i);
  if (repeated !== undefined)
    throw new ConfigError(
      `${op}: parameters must have different names, by which a checkpoint finds them, got ${repeated} twice; rename one`,
    );
  return entries;
}

/** The entries whose parameters are not frozen. */
export const trainable = <E extends OptimizedParameter>(entries: readonly E[]): E[] =>
  entries.filter(({ parameter }) => parameter.trainable);

/**
 * Checks the arguments of a step before the step changes anything.
 * @throws ConfigError for a learning rate that is not finite or below 0, GradientError for gradients that do not fit their parameters.
 */
export function checkStep(op: string, entries: readonly OptimizedParameter[], gradients: readonly Tensor[], learningRate: number): void {
  if (!(learningRate >= 0 && Number.isFinite(learningRate)))
    throw new ConfigError(`${op}: the learning rate must be finite and ≥ 0, got ${learningRate}`);
  if (gradients.length !== entries.length)
    throw new GradientError(
      `${op}: needs one gradient for each of its ${entries.length} trainable parameters, got ${gradients.length}; ` +
        "pass gradients(loss, optimizer.values)",
    );
  for (const [i, { name, parameter }] of entries.entries()) {
    const g = gradients[i]!;
    if (!sameShape(g.shape, parameter.shape) || g.dtype !== parameter.dtype)
      throw new GradientError(
        `${op}: a gradient must have its parameter's shape and dtype, got ${g.dtype} ${formatShape(g.shape)} for ${name}: ` +
          `${parameter.dtype} ${formatShape(parameter.shape)}`,
      );
  }
}
