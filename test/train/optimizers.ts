/** Helpers for the tests of all optimisers. */

import { Parameter } from "../../src/nn/state.ts";
import { tensor } from "../../src/ops/creation.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import type { Optimizer } from "../../src/train/optimizer.ts";
import { sample } from "../support/sample.ts";

export const vector = (values: readonly number[]): Tensor => tensor(Float64Array.from(values));
export const parameter = (values: readonly number[]): Parameter => new Parameter(vector(values));
export const named = (parameters: Record<string, Parameter>): ReadonlyMap<string, Parameter> => new Map(Object.entries(parameters));

/** A gradient without a network: three numbers that depend on (seed, step) only. */
export const gradientAt = (seed: number, step: number): readonly number[] => sample([3], seed * 100 + step, -1, 1).values;

/** Copies the whole state of one optimiser into another, as a checkpoint does. */
export async function copyState(from: Optimizer, to: Optimizer): Promise<void> {
  const target = to.state();
  for (const [name, entry] of from.state()) target.get(name)!.write(await entry.read());
}
