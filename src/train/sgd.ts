/** Stochastic gradient descent. */

import { kernels } from "../backend/active.ts";
import { ConfigError } from "../core/errors.ts";
import { checkOptions, type OptionNames, optionNames } from "../core/options.ts";
import { type Buffer, Counter, type Parameter, type State } from "../nn/state.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { GroupOptimizer, zeroState } from "./group-optimizer.ts";
import { flattenGroups, type OptimizedParameter, type ParameterGroup } from "./optimizer.ts";

export interface SgdOptions {
  /** The momentum, in [0, 1). Default: 0. */
  readonly momentum?: number;
  /** Whether to use Nesterov's momentum. Default: false. */
  readonly nesterov?: boolean;
}

/** The names of `SgdOptions`. */
export const sgdOptions: OptionNames = optionNames<SgdOptions>({ momentum: true, nesterov: true });

/** A parameter with its velocity, which it has only with momentum. */
interface SgdEntry extends OptimizedParameter {
  readonly velocity: Buffer | undefined;
}

/**
 * v ← momentum·v + (g + λ·p) and then p ← p − lr·v, for a parameter p with gradient g and weight decay λ. With Nesterov's momentum, the
 * second equation is p ← p − lr·(g + λ·p + momentum·v). As in torch.optim.SGD, the first step sets v to g + λ·p.
 * @throws ConfigError for a momentum outside [0, 1), or for `nesterov` with a momentum of 0.
 */
export class Sgd extends GroupOptimizer<SgdEntry> {
  readonly #steps = new Counter();
  readonly #momentum: number;
  readonly #nesterov: boolean;

  constructor(groups: readonly ParameterGroup[], options: SgdOptions = {}) {
    checkOptions("Sgd", options, sgdOptions);
    const { momentum = 0, nesterov = false } = options;
    if (!(momentum >= 0 && momentum < 1)) throw new ConfigError(`Sgd: momentum must be in [0, 1), got ${momentum}`);
    if (nesterov && momentum === 0) throw new ConfigError("Sgd: nesterov needs a momentum above 0, got 0");
    const velocityOf = (parameter: Parameter): Buffer | undefined => (momentum === 0 ? undefined : zeroState(parameter));
    super(
      "Sgd",
      flattenGroups("Sgd", groups).map((entry) => ({ ...entry, velocity: velocityOf(entry.parameter) })),
    );
    this.#momentum = momentum;
    this.#nesterov = nesterov;
  }

  protected override update(entries: readonly SgdEntry[], gradients: readonly Tensor[], learningRate: number): void {
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
    const velocities = this.entries.flatMap(({ name, velocity }): [string, State][] => (velocity ? [[`velocity.${name}`, velocity]] : []));
    return new Map<string, State>([["steps", this.#steps], ...velocities]);
  }

  dispose(): void {
    for (const { velocity } of this.entries) velocity?.value.dispose();
  }
}
