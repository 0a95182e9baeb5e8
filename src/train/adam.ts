/** The optimisers Adam and AdamW. */

import { kernels } from "../backend/active.ts";
import { ConfigError } from "../core/errors.ts";
import { checkOptions, type OptionNames, optionNames } from "../core/options.ts";
import { type Buffer, Counter, Counters, type State } from "../nn/state.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { GroupOptimizer, zeroState } from "./group-optimizer.ts";
import { flattenGroups, type OptimizedParameter, type ParameterGroup } from "./optimizer.ts";

export interface AdamOptions {
  /** β₁, in [0, 1): decay rate of the mean of the gradients. Default: 0.9. */
  readonly beta1?: number;
  /** β₂, in [0, 1): decay rate of the mean of the squared gradients. Default: 0.999. */
  readonly beta2?: number;
  /** ε ≥ 0. Default: 1e-8. */
  readonly epsilon?: number;
  /** AdamW: weight decay shrinks the parameter directly and is not added to the gradient. Default: false. */
  readonly decoupled?: boolean;
}

/** The names of `AdamOptions`. */
export const adamOptions: OptionNames = optionNames<AdamOptions>({ beta1: true, beta2: true, epsilon: true, decoupled: true });

/** A parameter with its position, and the means of its gradients and of their squares. */
interface AdamEntry extends OptimizedParameter {
  readonly index: number;
  readonly mean: Buffer;
  readonly square: Buffer;
}

/**
 * m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g², p ← p − lr·m̂/(√v̂ + ε) with m̂ = m/(1−β₁ᵗ) and v̂ = v/(1−β₂ᵗ) at step t (Kingma & Ba 2015, arXiv
 * 1412.6980, algorithm 1). Weight decay λ adds λ·p to g. Decoupled decay is algorithm 2 of Loshchilov & Hutter 2019, arXiv 1711.05101.
 * @throws ConfigError for β outside [0, 1) or ε below 0.
 */
export class Adam extends GroupOptimizer<AdamEntry> {
  readonly #steps = new Counter();
  /** The steps in which each parameter was frozen. Its own step number t, which the bias correction needs, leaves them out. */
  readonly #skipped: Counters;
  readonly #options: Required<AdamOptions>;

  constructor(groups: readonly ParameterGroup[], options: AdamOptions = {}) {
    checkOptions("Adam", options, adamOptions);
    const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, decoupled = false } = options;
    for (const [name, beta] of Object.entries({ beta1, beta2 }))
      if (!(beta >= 0 && beta < 1)) throw new ConfigError(`Adam: ${name} must be in [0, 1), got ${beta}`);
    if (!(epsilon >= 0 && Number.isFinite(epsilon))) throw new ConfigError(`Adam: epsilon must be finite and ≥ 0, got ${epsilon}`);
    super(
      "Adam",
      flattenGroups("Adam", groups).map((entry, index) => {
        const { parameter } = entry;
        return { ...entry, index, mean: zeroState(parameter), square: zeroState(parameter) };
      }),
    );
    this.#skipped = new Counters(this.entries.length);
    this.#options = { beta1, beta2, epsilon, decoupled };
  }

  protected override update(entries: readonly AdamEntry[], gradients: readonly Tensor[], learningRate: number): void {
    const table = entries.map(({ parameter, weightDecay, rateFactor, index, mean, square }, i) => ({
      parameter: parameter.value.storage,
      gradient: gradients[i]!.storage,
      mean: mean.value.storage,
      square: square.value.storage,
      learningRate: learningRate * rateFactor,
      weightDecay,
      step: this.#steps.count + 1 - this.#skipped.counts[index]!,
    }));
    kernels().adamUpdate(table, this.#options);
    // The counters follow the update, so that an update that fails leaves them as they were.
    this.#steps.count++;
    for (const { parameter, index } of this.entries) if (!parameter.trainable) this.#skipped.counts[index]!++;
  }

  state(): Map<string, State> {
    const moments = this.entries.flatMap(({ name, mean, square }): [string, State][] => [
      [`mean.${name}`, mean],
      [`square.${name}`, square],
    ]);
    return new Map<string, State>([["steps", this.#steps], ["skipped", this.#skipped], ...moments]);
  }

  dispose(): void {
    for (const { mean, square } of this.entries) {
      mean.value.dispose();
      square.value.dispose();
    }
  }
}
