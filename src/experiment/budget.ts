/** `--budget`: the hyper-parameter with which the network of a family has at most a given number of parameters. */

import { ConfigError } from "../core/errors.ts";
import { largest, smallest } from "../core/extent.ts";
import { countParameters, TooManyTensorsError } from "../count/count-network.ts";
import { formatConvolution, type NamedFamily } from "../structured/convolution-text.ts";
import { families } from "../structured/families.ts";
import type { BudgetSearch } from "../structured/family.ts";
import { specAt } from "../structured/search-position.ts";
import type { ConvolutionSpec } from "../structured/spec.ts";
import { createNetwork, formatNetwork, type NetworkSpec } from "./network-spec.ts";

/** The built-in families that `--budget` can solve. */
export const budgetKinds = families.flatMap((family) => (family.budget === undefined ? [] : [family.kind]));

export interface Solution {
  readonly convolution: ConvolutionSpec;
  readonly parameters: number;
}

/**
 * The largest network of the family that has at most `budget` parameters. Networks are counted, and none is computed. The search takes
 * about thirty counts if the size rises with the hyper-parameter, and one count for each position otherwise.
 * Of several values with one size it gives the smallest.
 * @throws ConfigError for a family without a search, and for a budget below the family's smallest network.
 */
export function solveBudget(network: NetworkSpec, named: NamedFamily, classes: number, budget: number): Solution {
  const { kind, budget: search } = named.family;
  if (search === undefined)
    throw new ConfigError(`budget: must be of a family with a hyper-parameter to choose (${budgetKinds.join(", ")}), got ${kind}`);
  const known = new Map<number, number>();
  const parametersAt = (position: number): number => {
    const count = known.get(position) ?? sizeOrNothing({ ...network, convolution: specAt(named, search, position) }, classes, search);
    known.set(position, count);
    return count;
  };
  /** The first position with more than `limit` parameters. */
  const firstBeyond = (limit: number): number => {
    let [within, beyond] = [0, search.positions + 1];
    while (beyond - within > 1) {
      const middle = Math.floor((within + beyond) / 2);
      if (parametersAt(middle) <= limit) within = middle;
      else beyond = middle;
    }
    return beyond;
  };
  const all = Array.from({ length: search.rises ? 0 : search.positions }, (_, i) => i + 1);
  const parameters = search.rises
    ? parametersAt(Math.max(1, firstBeyond(budget) - 1))
    : largest([0, ...all.map(parametersAt).filter((count) => count <= budget)]);
  if (parameters === 0 || parameters > budget) {
    const least = smallest([...known.values()].filter((count) => count > 0));
    throw new ConfigError(
      `budget: must be at least the ${least.toLocaleString("en-US")} parameters of the smallest ${kind} network, got ${budget}; ` +
        "choose another family or more",
    );
  }
  const position = search.rises ? firstBeyond(parameters - 1) : all.find((candidate) => parametersAt(candidate) === parameters)!;
  return { convolution: specAt(named, search, position), parameters };
}

/**
 * The number of parameters; 0 for a network with a layer that refuses the hyper-parameter as too small, and Infinity for a network of too
 * many tensors.
 */
function sizeOrNothing(spec: NetworkSpec, classes: number, { refusesSmallValues }: BudgetSearch): number {
  try {
    return countParameters((build) => createNetwork(spec, classes, build, { init: "variance-preserving" }));
  } catch (error) {
    if (error instanceof TooManyTensorsError) return Number.POSITIVE_INFINITY;
    if (error instanceof ConfigError && refusesSmallValues) return 0;
    throw error;
  }
}

/** `TensorTrain_0.4387: wrn-10-1-TensorTrain_0.4387 has 19,876 of 20,000 parameters`. */
export const describeSolution = ({ convolution, parameters }: Solution, network: NetworkSpec, budget: number): string =>
  `${formatConvolution(convolution)}: ${formatNetwork({ ...network, convolution })} has ${parameters.toLocaleString("en-US")} of ` +
  `${budget.toLocaleString("en-US")} parameters`;
