/** The cases of `decomp.json`: the three-way tensor that a weight matrix is viewed as, and the sizes of its decompositions. */

import { canonicalRank, threeWayDims, trainSizes, tuckerSizes } from "../structured/three-way.ts";
import { type Case, type Comparison, verdict } from "./comparison.ts";
import type { Fields } from "./fixture-folder.ts";

export const decompositionCases = (entries: readonly Fields[]): Case[] =>
  entries.map((entry) => {
    const [inputs, outputs, scale] = [entry.number("in_channels"), entry.number("out_channels"), entry.number("rank_scale")];
    return {
      name: `decomposition ${inputs} → ${outputs} at ${scale}`,
      run: () => verdict((comparison) => compare(inputs, outputs, scale, entry, comparison)),
    };
  });

function compare(inputs: number, outputs: number, scale: number, entry: Fields, comparison: Comparison): undefined {
  const dims = threeWayDims(outputs, inputs);
  const [train, tucker] = [trainSizes(dims, scale), tuckerSizes(dims, scale)];
  const expect = (fields: Fields, name: string, got: unknown, what = name): void => {
    if (!fields.has(name)) return;
    comparison.equal(what, got, Array.isArray(got) ? fields.numbers(name) : fields.number(name));
  };
  expect(entry, "dims", dims);
  expect(entry, "ranks_tt", train.wanted);
  expect(entry, "ranks_tucker", tucker.wanted);
  expect(entry, "ranks_cp", canonicalRank(dims, scale));
  if (entry.has("tt")) {
    const expected = entry.object("tt");
    expect(expected, "cores", trainShapes(dims, train.ranks), "cores of the train");
    expect(expected, "params", train.parameters, "parameters of the train");
  }
  if (entry.has("tucker")) {
    const expected = entry.object("tucker");
    expect(expected, "cores", trainShapes(tucker.sizes, tucker.bonds), "cores of Tucker");
    expect(
      expected,
      "Us",
      dims.map((dim, k) => [dim, tucker.sizes[k]!]),
      "factors of Tucker",
    );
    expect(expected, "params", tucker.parameters, "parameters of Tucker");
  }
}

/** The shapes of the cores of a tensor train, from its modes and its bonds. */
const trainShapes = ([d1, d2, d3]: readonly [number, number, number], [r1, r2]: readonly [number, number]): number[][] => [
  [1, d1, r1],
  [r1, d2, r2],
  [r2, d3, 1],
];
