/** What every optimiser shares, and stochastic gradient descent. */

import { kernels } from "../backend/active.ts";
import { ConfigError, GradientError } from "../core/errors.ts";
import { formatShape, sameShape } from "../core/shape.ts";
import type { Parameter, State } from "../nn/state.ts";
import { Buffer, Counter } from "../nn/state.ts";
import { zeros } from "../ops/creation.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** Parameters that share a weight decay, and a factor on the learning rate. */
export interface ParameterGroup {
  readonly parameters: ReadonlyMap<string, Parameter>;
  readonly weightDecay?: number;
  /** Multiplies the schedule's learning rate. */
  readonly rateFactor?: number;
}

/** Turns gradients into steps, in place. */
export interface Optimizer {
  /** In the order in which `step` takes gradients. */
  readonly parameters: readonly Parameter[];
  step(gradients: readonly Tensor[], learningRate: number): void;
  /** What a checkpoint must hold to continue, by name. */
  state(): Map<string, State>;
}

/** Every parameter with its name and its group's settings; checked once for all optimisers. */
export function flattenGroups(
  op: string,
  groups: readonly ParameterGroup[],
): { name: string; parameter: Parameter; weightDecay: number; rateFactor: number }[] {
  const entries = groups.flatMap(({ parameters, weightDecay = 0, rateFactor = 1 }) => {
    for (const [name, value] of Object.entries({ weightDecay, rateFactor }))
      if (!(value >= 0 && Number.isFinite(value))) throw new ConfigError(`${op}: ${name} must be finite and ≥ 0, got ${value}`);
    return [...parameters].map(([name, parameter]) => ({ name, parameter, weightDecay, rateFactor }));
  });
  if (new Set(entries.map(({ parameter }) => parameter)).size !== entries.length)
    throw new ConfigError(`${op}: a parameter must be in one group only, got one twice`);
  const names = entries.map(({ name }) => name);
  const repeated = names.find((name, i) => names.indexOf(name) !== i);
  if (repeated !== undefined)
    throw new ConfigError(`${op}: names must differ, a checkpoint tells parameters by them, got ${repeated} twice`);
  return entries;
}

/** What a step must be given, checked before anything is changed. @throws ConfigError, GradientError */
export function checkStep(
  op: string,
  entries: readonly { readonly name: string; readonly parameter: Parameter }[],
  gradients: readonly Tensor[],
  learningRate: number,
): void {
  if (!(learningRate >= 0 && Number.isFinite(learningRate)))
    throw new ConfigError(`${op}: the learning rate must be finite and ≥ 0, got ${learningRate}`);
  if (gradients.length !== entries.length)
    throw new GradientError(`${op}: needs one gradient per parameter, got ${gradients.length} for ${entries.length}`);
  for (const [i, { name, parameter }] of entries.entries()) {
    const g = gradients[i]!;
    if (!sameShape(g.shape, parameter.shape) || g.dtype !== parameter.dtype)
      throw new GradientError(
        `${op}: a gradient must have its parameter's shape and dtype, got ${g.dtype} ${formatShape(g.shape)} for ${name}: ${parameter.dtype} ${formatShape(parameter.shape)}`,
      );
  }
}

export interface SgdOptions {
  readonly momentum?: number;
  readonly nesterov?: boolean;
}

/**
 * v ← momentum·v + (g + λ·p), p ← p − lr·v; with Nesterov p ← p − lr·(g + λ·p + momentum·v). torch.optim.SGD's rule: the
 * first step sets v to the gradient. @throws ConfigError for momentum outside [0, 1), or Nesterov without it.
 */
export class Sgd implements Optimizer {
  readonly parameters: readonly Parameter[];
  readonly #entries;
  readonly #velocities: readonly Buffer[];
  readonly #steps = new Counter();
  readonly #momentum: number;
  readonly #nesterov: boolean;

  constructor(groups: readonly ParameterGroup[], { momentum = 0, nesterov = false }: SgdOptions = {}) {
    if (!(momentum >= 0 && momentum < 1)) throw new ConfigError(`Sgd: momentum must be in [0, 1), got ${momentum}`);
    if (nesterov && momentum === 0) throw new ConfigError("Sgd: nesterov needs a momentum above 0");
    this.#entries = flattenGroups("Sgd", groups);
    this.parameters = this.#entries.map(({ parameter }) => parameter);
    this.#velocities = momentum === 0 ? [] : this.parameters.map(({ value }) => new Buffer(zeros(value.shape, { dtype: value.dtype })));
    this.#momentum = momentum;
    this.#nesterov = nesterov;
  }

  step(gradients: readonly Tensor[], learningRate: number): void {
    checkStep("Sgd", this.#entries, gradients, learningRate);
    const shared = { momentum: this.#momentum, nesterov: this.#nesterov, first: this.#steps.count === 0 };
    this.#entries.forEach(({ parameter, weightDecay, rateFactor }, i) => {
      const update = { ...shared, learningRate: learningRate * rateFactor, weightDecay };
      kernels().sgdUpdate(parameter.value.storage, gradients[i]!.storage, this.#velocities[i]?.value.storage, update);
    });
    this.#steps.count++;
  }

  state(): Map<string, State> {
    return new Map<string, State>([
      ["steps", this.#steps],
      ...this.#velocities.map((v, i): [string, State] => [`velocity.${this.#entries[i]!.name}`, v]),
    ]);
  }
}
