/** An optimiser that keeps a moving average of the weights beside them. */

import type { Parameter, State } from "../nn/state.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Optimizer } from "./optimizer.ts";
import { WeightAverage, type WeightAverageOptions } from "./weight-average.ts";

/**
 * The steps of another optimiser, after each of which the weights are taken into `average`. The steps are the same as without the average.
 * `trainEpochs` evaluates the average too, and a checkpoint holds it as part of the optimiser's state.
 * @throws ConfigError for a decay outside [0, 1).
 */
export class AveragedOptimizer implements Optimizer {
  readonly average: WeightAverage;
  readonly #inner: Optimizer;

  /** @param parameters Those that are averaged, by name. The average begins as their values before the first step. */
  constructor(inner: Optimizer, parameters: ReadonlyMap<string, Parameter>, options: WeightAverageOptions = {}) {
    this.#inner = inner;
    this.average = new WeightAverage(parameters, options);
  }

  get parameters(): readonly Parameter[] {
    return this.#inner.parameters;
  }

  get values(): readonly Tensor[] {
    return this.#inner.values;
  }

  step(gradients: readonly Tensor[], learningRate: number): void {
    // Weights may be overwritten between the making of the optimiser and its first step, as by a pretrained network.
    if (this.average.updates === 0) scope(() => this.average.begin());
    this.#inner.step(gradients, learningRate);
    this.average.update();
  }

  state(): Map<string, State> {
    return new Map<string, State>([...this.#inner.state(), ...this.average.state()]);
  }

  dispose(): void {
    this.#inner.dispose();
    this.average.dispose();
  }
}
