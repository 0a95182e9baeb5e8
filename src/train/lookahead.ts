/** Lookahead: an optimiser whose weights are drawn back to a slow average of themselves. */

import { checkNumbers } from "../core/numbers.ts";
import { checkOptions, type OptionNames, optionNames } from "../core/options.ts";
import { type Buffer, Counter, type Parameter, type State } from "../nn/state.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { moveTowards, overwrite, type TensorPair, zerosLike } from "./in-place.ts";
import type { Optimizer } from "./optimizer.ts";
import { copyOf } from "./weight-average.ts";

export interface LookaheadOptions {
  /** k ≥ 1: the number of steps from one synchronisation to the next. Default: 5. */
  readonly every?: number;
  /** d in [0, 1]: the share of the slow weights that a synchronisation keeps. Default: 0.5. */
  readonly decay?: number;
  /**
   * The steps of the whole training. If it is given, the decay at step t is d·(t/steps)³, and at the last step the weights become the slow
   * ones (Jordan 2024, arXiv 2404.00498, §3.4). Default: the decay is d at every step.
   */
  readonly steps?: number;
}

/** The names of `LookaheadOptions`. */
export const lookaheadOptions: OptionNames = optionNames<LookaheadOptions>({ every: true, decay: true, steps: true });

interface LookaheadEntry {
  readonly name: string;
  readonly parameter: Parameter;
  readonly slow: Buffer;
}

const toSlow = ({ parameter, slow }: LookaheadEntry): TensorPair => ({ target: slow.value, source: parameter.value });

/**
 * The steps of another optimiser, and after every k of them φ ← d·φ + (1 − d)·w and w ← φ, with the slow weights φ (Zhang et al. 2019, arXiv
 * 1907.08610, algorithm 1). The running statistics of norms are left as they are.
 * @throws ConfigError for a number of steps that is no integer ≥ 1, or a decay outside [0, 1].
 */
export class Lookahead implements Optimizer {
  readonly #inner: Optimizer;
  readonly #entries: readonly LookaheadEntry[];
  readonly #steps = new Counter();
  readonly #every: number;
  readonly #decay: number;
  readonly #total: number | undefined;

  /** @param parameters Those that are averaged, by name. The slow weights begin as their values before the first step. */
  constructor(inner: Optimizer, parameters: ReadonlyMap<string, Parameter>, options: LookaheadOptions = {}) {
    checkOptions("Lookahead", options, lookaheadOptions);
    const { every = 5, decay = 0.5, steps } = options;
    checkNumbers("Lookahead", { every, ...(steps === undefined ? {} : { steps }) }, { integer: true, least: 1 });
    checkNumbers("Lookahead", { decay }, { least: 0, most: 1 });
    this.#inner = inner;
    this.#entries = [...parameters].map(([name, parameter]) => ({ name, parameter, slow: copyOf(parameter) }));
    [this.#every, this.#decay, this.#total] = [every, decay, steps];
  }

  get parameters(): readonly Parameter[] {
    return this.#inner.parameters;
  }

  get values(): readonly Tensor[] {
    return this.#inner.values;
  }

  step(gradients: readonly Tensor[], learningRate: number): void {
    const step = this.#steps.count + 1;
    const synchronises = step === this.#total || step % this.#every === 0;
    scope(() => {
      // What can fail for want of memory comes before the first change.
      const empty = synchronises || step === 1 ? this.#entries.map(({ slow }) => zerosLike(slow.value)) : [];
      // Weights may be overwritten between the making of the optimiser and its first step, as by a pretrained network.
      if (step === 1) overwrite(this.#entries.map(toSlow), empty);
      this.#inner.step(gradients, learningRate);
      this.#steps.count = step;
      if (synchronises) this.#synchronise(step, empty);
    });
  }

  /** @param empty Zeros of the shape of each entry. */
  #synchronise(step: number, empty: readonly Tensor[]): void {
    const all = this.#entries.map((entry, i) => ({ entry, zeros: empty[i]! }));
    const [moving, frozen] = [true, false].map((wanted) => all.filter(({ entry }) => entry.parameter.trainable === wanted));
    const growth = this.#total === undefined ? 1 : Math.min(1, step / this.#total) ** 3;
    const zerosOf = (of: typeof all): Tensor[] => of.map(({ zeros }) => zeros);
    if (step !== this.#total)
      moveTowards(
        moving!.map(({ entry }) => toSlow(entry)),
        1 - this.#decay * growth,
      );
    overwrite(
      moving!.map(({ entry: { parameter, slow } }) => ({ target: parameter.value, source: slow.value })),
      zerosOf(moving!),
    );
    // A frozen parameter keeps its values, and begins with them when it is trained again.
    overwrite(
      frozen!.map(({ entry }) => toSlow(entry)),
      zerosOf(frozen!),
    );
  }

  state(): Map<string, State> {
    return new Map<string, State>([
      ...this.#inner.state(),
      ["lookahead_steps", this.#steps],
      ...this.#entries.map(({ name, slow }): [string, State] => [`slow.${name}`, slow]),
    ]);
  }

  dispose(): void {
    this.#inner.dispose();
    for (const { slow } of this.#entries) slow.value.dispose();
  }
}
