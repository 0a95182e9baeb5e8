/** Stochastic gradient descent. */

import { kernels } from "../backend/active.ts";
import { ConfigError } from "../core/errors.ts";
import { checkOptions, type OptionNames, optionNames } from "../core/options.ts";
import { Buffer, Counter, type Parameter, type State } from "../nn/state.ts";
import { zeros } from "../ops/creation.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { checkStep, flattenGroups, type Optimizer, type ParameterGroup } from "./optimizer.ts";

export interface SgdOptions {
  /** In [0, 1). Default: 0. */
  readonly momentum?: number;
  /** Nesterov's momentum. Default: false. */
  readonly nesterov?: boolean;
}

/** The names of `SgdOptions`. */
export const sgdOptions: OptionNames = optionNames<SgdOptions>({ momentum: true, nesterov: true });

/**
 * v ← momentum·v + (g + λ·p), p ← p − lr·v; with Nesterov's momentum p ← p − lr·(g + λ·p + momentum·v). As in torch.optim.SGD, the first
 * step sets v to g + λ·p. @throws ConfigError for a momentum outside [0, 1), or Nesterov's without momentum.
 */
export class Sgd implements Optimizer {
  readonly parameters: readonly Parameter[];
  readonly #entries;
  readonly #velocities: readonly Buffer[];
  readonly #steps = new Counter();
  readonly #momentum: number;
  readonly #nesterov: boolean;

  constructor(groups: readonly ParameterGroup[], options: SgdOptions = {}) {
    checkOptions("Sgd", options, sgdOptions);
    const { momentum = 0, nesterov = false } = options;
    if (!(momentum >= 0 && momentum < 1)) throw new ConfigError(`Sgd: momentum must be in [0, 1), got ${momentum}`);
    if (nesterov && momentum === 0) throw new ConfigError("Sgd: nesterov needs a momentum above 0, got 0");
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
