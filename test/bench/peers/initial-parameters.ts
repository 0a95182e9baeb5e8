/** The initial parameters of the training-step benchmark as arrays, so that every library starts from the same ones. */

import type { TrainingStepProblem } from "../../../src/bench/benchmarks.ts";
import { stepNetwork } from "../../../src/bench/workload.ts";
import type { Shape } from "../../../src/core/shape.ts";
import type { TypedArray } from "../../../src/tensor/storage.ts";

export interface NamedParameter {
  readonly name: string;
  readonly shape: Shape;
  readonly values: TypedArray;
}

/** Creates the network on the active backend of separable and reads its parameters. */
export async function initialParameters(problem: TrainingStepProblem): Promise<NamedParameter[]> {
  const network = stepNetwork(problem);
  const read = [...network.parameters()].map(async ([name, { value }]) => ({ name, shape: value.shape, values: await value.data() }));
  const parameters = await Promise.all(read);
  network.dispose();
  return parameters;
}
