/** Averages of the weights over training, which often generalise better than the last weights. */

import { checkNumbers } from "../core/numbers.ts";
import { checkOptions, type OptionNames, optionNames } from "../core/options.ts";
import { Buffer, Counter, type Parameter, type State } from "../nn/state.ts";
import { add } from "../ops/elementwise.ts";
import { noGrad } from "../tape/tape.ts";
import { scope } from "../tensor/scope.ts";
import { moveTowards, overwrite, zerosLike } from "./in-place.ts";

export interface WeightAverageOptions {
  /** The largest decay d of the average, in [0, 1). Default: 0.999. */
  readonly decay?: number;
}

/** The names of `WeightAverageOptions`. */
export const weightAverageOptions: OptionNames = optionNames<WeightAverageOptions>({ decay: true });

/** What the state's names of averages begin with. The name of the parameter follows. */
export const averagePrefix = "average.";

/** A copy of a parameter's values in a buffer of its own. */
export const copyOf = ({ value }: Parameter): Buffer => new Buffer(noGrad(() => add(value, zerosLike(value))));

/**
 * An exponential moving average of parameters: w̄ ← d·w̄ + (1 − d)·w after each step (Polyak & Juditsky 1992; Tarvainen & Valpola 2017, arXiv
 * 1703.01780). At update t, from 1, the decay is min(decay, (1 + t)/(10 + t)), so the first weights are soon forgotten. The running statistics
 * of norms are averages already, so they are left as they are.
 *
 *     const average = new WeightAverage(network.parameters());
 *     …  optimizer.step(…);  average.update();  …
 *     await average.instead(() => evaluate(network, …));
 */
export class WeightAverage {
  readonly #entries: readonly { readonly name: string; readonly parameter: Parameter; readonly average: Buffer }[];
  readonly #updates = new Counter();
  readonly #decay: number;

  /** The average begins as the present weights. @throws ConfigError for a decay outside [0, 1). */
  constructor(parameters: ReadonlyMap<string, Parameter>, options: WeightAverageOptions = {}) {
    checkOptions("WeightAverage", options, weightAverageOptions);
    const { decay = 0.999 } = options;
    checkNumbers("WeightAverage", { decay }, { least: 0, below: 1 });
    this.#decay = decay;
    this.#entries = [...parameters].map(([name, parameter]) => ({ name, parameter, average: copyOf(parameter) }));
  }

  /** The number of updates so far. */
  get updates(): number {
    return this.#updates.count;
  }

  /** Makes the average the present weights again. It belongs before the first update, when the weights were overwritten. */
  begin(): void {
    overwrite(this.#entries.map(({ parameter, average }) => ({ target: average.value, source: parameter.value })));
    this.#updates.count = 0;
  }

  /** Takes the present weights into the average. */
  update(): void {
    const t = this.#updates.count + 1;
    const decay = Math.min(this.#decay, (1 + t) / (10 + t));
    moveTowards(
      this.#entries.map(({ parameter, average }) => ({ target: average.value, source: parameter.value })),
      1 - decay,
    );
    this.#updates.count = t;
  }

  /** Exchanges the weights of the parameters and the average, bit for bit. Two calls change nothing. */
  swap(): void {
    scope(() => {
      const copies = this.#entries.map(({ parameter }) => copyOf(parameter).value);
      overwrite(this.#entries.map(({ parameter, average }) => ({ target: parameter.value, source: average.value })));
      for (const [i, { average }] of this.#entries.entries()) average.value = copies[i]!;
    });
  }

  /** The result of `body` with the average in place of the weights. Afterwards the weights are what they were before. */
  async instead<T>(body: () => Promise<T>): Promise<T> {
    this.swap();
    try {
      return await body();
    } finally {
      this.swap();
    }
  }

  /** The state, by name, that a checkpoint must hold for the average to continue. */
  state(): Map<string, State> {
    return new Map<string, State>([
      ["updates", this.#updates],
      ...this.#entries.map(({ name, average }): [string, State] => [averagePrefix + name, average]),
    ]);
  }

  /** Frees the average. The parameters stay. */
  dispose(): void {
    for (const { average } of this.#entries) average.value.dispose();
  }
}
