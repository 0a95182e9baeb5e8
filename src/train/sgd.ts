/** Stochastic gradient descent. */

import { kernels } from "../backend/active.ts";
import { ConfigError } from "../core/errors.ts";
import { checkOptions, type OptionNames, optionNames } from "../core/options.ts";
import { Buffer, Counter, type Parameter, type State } from "../nn/state.ts";
import { zeros } from "../ops/creation.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { checkStep, flattenGroups, type Optimizer, type ParameterGroup, trainable } from "./optimizer.ts";

export interface SgdOptions {
  /** The momentum, in [0, 1). Default: 0. */
  readonly momentum?: number;
  /** Whether to use Nesterov's momentum. Default: false. */
  readonly nesterov?: boolean;
}

/** The names of `SgdOptions`. */
export const sgdOptions: OptionNames = optionNames<SgdOptions>({ momentum: true, nesterov: true });

/**
 * v ← momentum·v + (g + λ·p) and then p ← p − lr·v, for a parameter p with gradient g and weight decay λ. With Nesterov's momentum, the
 * second equation is p ← p − lr·(g + λ·p + momentum·v). As in torch.optim.SGD, the first step sets v to g + λ·p.
 * @throws ConfigError for a momentum outside [0, 1), or for `nesterov` with a momentum of 0.
 */
export class Sgd implements Optimizer {
  readonly #entries;
  readonly #steps = new Counter();
  readonly #momentum: number;
  readonly #nesterov: boolean;

  constructor(groups: readonly ParameterGroup[], options: SgdOptions = {}) {
    checkOptions("Sgd", options, sgdOptions);
    const { momentum = 0, nesterov = false } = options;
    if (!(momentum >= 0 && momentum < 1)) throw new ConfigError(`Sgd: momentum must be in [0, 1), got ${momentum}`);
    if (nesterov && momentum === 0) throw new ConfigError("Sgd: nesterov needs a momentum above 0, got 0");
    const velocityOf = ({ value }: Parameter): Buffer | undefined =>
      momentum === 0 ? undefined : new Buffer(zeros(value.shape, { dtype: value.dtype }));
    this.#entries = flattenGroups("Sgd", groups).map((entry) => ({ ...entry, velocity: velocityOf(entry.parameter) }));
    this.#momentum = momentum;
    this.#nesterov = nesterov;
  }

  get parameters(): readonly Parameter[] {
    return trainable(this.#entries).map(({ parameter }) => parameter);
  }

  get values(): readonly Tensor[] {
    return this.parameters.map(({ value }) => value);
  }

  step(gradients: readonly Tensor[], learningRate: number): void {
    const entries = trainable(this.#entries);
    checkStep("Sgd", entries, gradients, learningRate);
    const table = entries.map(({ parameter, velocity, weightDecay, rateFactor }, i) => ({
      parameter: parameter.value.storage,
      gradient: gradients[i]!.storage,
      momentum: velocity?.value.storage,
      learningRate: learningRate * rateFactor,
      weightDecay,
    }));
    kernels().sgdUpdate(table, { momentum: this.#momentum, nesterov: this.#nesterov, first: this.#steps.count === 0 });
    this.#steps.count++;
  }

  state(): Map<string, State> {
    const velocities = this.#entries.flatMap(({ name, velocity }): [string, State][] => (velocity ? [[`velocity.${name}`, velocity]] : []));
    return new Map<string, State>([["steps", this.#steps], ...velocities]);
  }

  dispose(): void {
    for (const { velocity } of this.#entries) velocity?.value.dispose();
  }
}
