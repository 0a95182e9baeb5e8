/** `--budget`: the hyper-parameter with which a family's network keeps within so many parameters. */

import { ConfigError } from "../core/errors.ts";
import { countParameters } from "../count/count-network.ts";
import { formatConvolution } from "../structured/convolution-text.ts";
import type { ConvolutionKind, ConvolutionSpec } from "../structured/spec.ts";
import { createNetwork, formatNetwork, type NetworkSpec } from "./network-spec.ts";

/** A family along its one hyper-parameter, from position 1. */
interface Dial {
  readonly positions: number;
  /** Whether no network is smaller than one at a position before; if so it is searched by bisection, else position by position. */
  readonly rises: boolean;
  spec(position: number): ConvolutionSpec;
}

/** Four decimals of a scale or fraction, so that the spec can be written down. */
const fine = 1e4;
/** Ranks, terms and factors beyond this are of no network here; nor are groups and blocks beyond the other. */
const [mostRanks, mostGroups] = [4096, 64];

const scales = (spec: (scale: number) => ConvolutionSpec, largest: number): Dial => ({
  positions: largest * fine,
  rises: true,
  spec: (position) => spec(position / fine),
});
const ranks = (spec: (value: number) => ConvolutionSpec): Dial => ({ positions: mostRanks, rises: true, spec });
/** Groups and blocks are lowered to divisors, and blocks beyond the root of a side widen what lies between them: no order to rely on. */
const groups = (spec: (value: number) => ConvolutionSpec): Dial => ({ positions: mostGroups, rises: false, spec });

const dials: Readonly<Partial<Record<ConvolutionKind, Dial>>> = {
  ACDC: ranks((factors) => ({ kind: "ACDC", factors })),
  OriginalACDC: ranks((factors) => ({ kind: "OriginalACDC", factors })),
  PlainACDC: ranks((factors) => ({ kind: "PlainACDC", factors })),
  Hashed: scales((fraction) => ({ kind: "Hashed", fraction }), 1),
  SepHashed: scales((fraction) => ({ kind: "SepHashed", fraction }), 1),
  HashedSeparable: scales((fraction) => ({ kind: "HashedSeparable", fraction }), 1),
  Generic: scales((scale) => ({ kind: "Generic", scale }), 4),
  LR: scales((scale) => ({ kind: "LR", scale }), 4),
  TensorTrain: scales((scale) => ({ kind: "TensorTrain", scale }), 4),
  Tucker: scales((scale) => ({ kind: "Tucker", scale }), 4),
  CP: scales((scale) => ({ kind: "CP", scale }), 64),
  BLAST: scales((scale) => ({ kind: "BLAST", scale, blocks: 4 }), 4),
  Shuffle: groups((groups) => ({ kind: "Shuffle", groups })),
  Monarch: groups((blocks) => ({ kind: "Monarch", blocks })),
  BlockTensorTrain: ranks((rank) => ({ kind: "BlockTensorTrain", rank })),
  MatrixTensorTrain: ranks((rank) => ({ kind: "MatrixTensorTrain", rank, cores: 3 })),
  Kronecker: ranks((terms) => ({ kind: "Kronecker", terms })),
};

/** Families `--budget` can solve. */
export const budgetKinds = Object.keys(dials) as readonly ConvolutionKind[];

export interface Solution {
  readonly convolution: ConvolutionSpec;
  readonly parameters: number;
}

/**
 * The largest network of the family that has at most `budget` parameters. Networks are counted, not computed: some thirty by bisection, or all there
 * are where the size does not rise with the hyper-parameter. Of hyper-parameters that give one size, the smallest.
 * @throws ConfigError for a family without a hyper-parameter, and for a budget that its smallest network exceeds.
 */
export function solveBudget(network: NetworkSpec, kind: ConvolutionKind, classes: number, budget: number): Solution {
  const dial = dials[kind];
  if (dial === undefined)
    throw new ConfigError(`budget: must be of a family with a hyper-parameter (${budgetKinds.join(", ")}), got ${kind}`);
  const known = new Map<number, number>();
  const parametersAt = (position: number): number => {
    const spec = { ...network, convolution: dial.spec(position) };
    // A scale so small that a layer is left with nothing is refused by that layer: such a network is smaller than any.
    const count = known.get(position) ?? sizeOrNothing(spec, classes);
    known.set(position, count);
    return count;
  };
  /** The first position of more than `limit` parameters. */
  const firstBeyond = (limit: number): number => {
    let [within, beyond] = [0, dial.positions + 1];
    while (beyond - within > 1) {
      const middle = Math.floor((within + beyond) / 2);
      if (parametersAt(middle) <= limit) within = middle;
      else beyond = middle;
    }
    return beyond;
  };
  const all = Array.from({ length: dial.rises ? 0 : dial.positions }, (_, i) => i + 1);
  const parameters = dial.rises
    ? parametersAt(Math.max(1, firstBeyond(budget) - 1))
    : Math.max(0, ...all.map(parametersAt).filter((count) => count <= budget));
  if (parameters === 0 || parameters > budget) {
    const least = Math.min(...[...known.values()].filter((count) => count > 0));
    throw new ConfigError(
      `budget: must be at least the ${least.toLocaleString("en-US")} parameters of the smallest ${kind} network, got ${budget}; choose another family or more`,
    );
  }
  const position = dial.rises ? firstBeyond(parameters - 1) : all.find((candidate) => parametersAt(candidate) === parameters)!;
  return { convolution: dial.spec(position), parameters };
}

function sizeOrNothing(spec: NetworkSpec, classes: number): number {
  try {
    return countParameters((build) => createNetwork(spec, classes, build, { init: "variance-preserving" }));
  } catch (error) {
    if (error instanceof ConfigError && !("factors" in spec.convolution)) return 0;
    throw error;
  }
}

/** `TensorTrain_0.4387 gives wrn-10-1 19,876 parameters of the 20,000 allowed`. */
export const describeSolution = ({ convolution, parameters }: Solution, network: NetworkSpec, budget: number): string =>
  `${formatConvolution(convolution)}: ${formatNetwork({ ...network, convolution })} has ${parameters.toLocaleString("en-US")} of ${budget.toLocaleString("en-US")} parameters`;
