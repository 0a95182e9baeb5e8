/** What the optimisers of parameter groups share: which parameters they update, and the checks before a step. */

import { Buffer, type Parameter, type State } from "../nn/state.ts";
import { zeros } from "../ops/creation.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { checkStep, type OptimizedParameter, type Optimizer, trainable } from "./optimizer.ts";

/** A state of zeros for a parameter, such as its velocity before the first step. */
export const zeroState = ({ value }: Parameter): Buffer => new Buffer(zeros(value.shape, { dtype: value.dtype }));

/** An optimiser with an entry for each parameter of its groups. The entry may hold state of the parameter, such as its velocity. */
export abstract class GroupOptimizer<Entry extends OptimizedParameter> implements Optimizer {
  readonly #name: string;
  protected readonly entries: readonly Entry[];

  /** @param name The class, for errors. */
  protected constructor(name: string, entries: readonly Entry[]) {
    this.#name = name;
    this.entries = entries;
  }

  get parameters(): readonly Parameter[] {
    return trainable(this.entries).map(({ parameter }) => parameter);
  }

  get values(): readonly Tensor[] {
    return this.parameters.map(({ value }) => value);
  }

  step(gradients: readonly Tensor[], learningRate: number): void {
    const entries = trainable(this.entries);
    checkStep(this.#name, entries, gradients, learningRate);
    this.update(entries, gradients, learningRate);
  }

  /** Updates the parameters of the given entries, which are the trainable ones, by their gradients. */
  protected abstract update(entries: readonly Entry[], gradients: readonly Tensor[], learningRate: number): void;

  abstract state(): Map<string, State>;

  abstract dispose(): void;
}
