/** Several optimisers as one, each for parameters of its own. */

import { ConfigError } from "../core/errors.ts";
import type { Parameter, State } from "../nn/state.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Optimizer } from "./optimizer.ts";

/**
 * One step is a step of each optimiser, at the same learning rate. Groups of parameters have factors of the rate (`rateFactor`). In a
 * checkpoint the state of the optimiser at position i has the prefix `i:`.
 * @throws ConfigError for a parameter that two optimisers have.
 */
export class CombinedOptimizer implements Optimizer {
  readonly #members: readonly Optimizer[];

  constructor(...members: readonly Optimizer[]) {
    const all = members.flatMap(({ parameters }) => parameters);
    if (new Set(all).size !== all.length)
      throw new ConfigError("CombinedOptimizer: a parameter must belong to one optimiser only, got one in two; leave it out of one");
    this.#members = members;
  }

  get parameters(): readonly Parameter[] {
    return this.#members.flatMap(({ parameters }) => parameters);
  }

  get values(): readonly Tensor[] {
    return this.#members.flatMap(({ values }) => values);
  }

  step(gradients: readonly Tensor[], learningRate: number): void {
    let first = 0;
    for (const member of this.#members) {
      const count = member.parameters.length;
      member.step(gradients.slice(first, first + count), learningRate);
      first += count;
    }
  }

  state(): Map<string, State> {
    return new Map(
      this.#members.flatMap((member, i) => [...member.state()].map(([name, state]): [string, State] => [`${i}:${name}`, state])),
    );
  }

  dispose(): void {
    for (const member of this.#members) member.dispose();
  }
}
