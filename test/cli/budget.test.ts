/** The budget's solution against counting every network there is. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { ConfigError } from "../../src/core/errors.ts";
import { countParameters, TooManyTensorsError } from "../../src/count/count-network.ts";
import { budgetKinds, solveBudget } from "../../src/experiment/budget.ts";
import { createNetwork, type NetworkSpec } from "../../src/experiment/network-spec.ts";
import { familyNamed } from "../../src/structured/convolution-text.ts";
import type { StructuredFamily } from "../../src/structured/family.ts";
import type { ConvolutionSpec } from "../../src/structured/spec.ts";

const network: NetworkSpec = { kind: "wrn", depth: 10, width: 1, convolution: { kind: "Conv" } };
const parametersOf = (convolution: ConvolutionSpec): number =>
  countParameters((build) => createNetwork({ ...network, convolution }, 10, build, { init: "variance-preserving" }));

/** The spec a little further along its family, or back for −1: the next rank or term, the next ten-thousandth of a scale. */
function next(spec: ConvolutionSpec, direction: 1 | -1 = 1): ConvolutionSpec {
  const step = (key: string, by: number): ConvolutionSpec => {
    const value = (spec as unknown as Record<string, number>)[key]!;
    return { ...spec, [key]: Math.round((value + direction * by) * 1e4) / 1e4 };
  };
  for (const key of ["scale", "fraction"]) if (key in spec) return step(key, 1e-4);
  for (const key of ["factors", "rank", "terms"]) if (key in spec) return step(key, 1);
  return spec;
}

test.each(budgetKinds)("%s: within the budget, of the size it says, and one notch more would exceed it", (kind) => {
  fc.assert(
    fc.property(fc.integer({ min: 9000, max: 14_000 }), (budget) => {
      const { convolution, parameters } = solveBudget(network, familyNamed(kind)!, 10, budget);
      expect(parametersOf(convolution)).toBe(parameters);
      expect(parameters).toBeLessThanOrEqual(budget);
      if (!("groups" in convolution || "blocks" in convolution)) {
        const beyond = parametersOf(next(convolution));
        expect(beyond > budget || beyond === parameters).toBe(true);
      }
    }),
    { numRuns: 3 },
  );
});

test("where the size does not rise with the hyper-parameter, none of all is nearer", () => {
  for (const kind of ["Shuffle", "Monarch"] as const) {
    const { parameters } = solveBudget(network, familyNamed(kind)!, 10, 13_000);
    const all = Array.from({ length: 64 }, (_, i) => parametersOf(kind === "Shuffle" ? { kind, groups: i + 1 } : { kind, blocks: i + 1 }));
    expect(parameters).toBe(Math.max(...all.filter((count) => count <= 13_000)));
  }
});

test("what has nothing to turn, or is too large at its smallest, is refused", () => {
  expect(() => solveBudget(network, familyNamed("Sep")!, 10, 1e6)).toThrow(ConfigError);
  expect(() => solveBudget(network, familyNamed("CP")!, 10, 100)).toThrow(
    /at least the [\d,]+ parameters of the smallest CP network, got 100/,
  );
});

test("a network of too many tensors is above every budget, so the search takes the largest that can be counted", () => {
  const acdc = familyNamed("ACDC")!.family;
  const family: StructuredFamily = {
    ...acdc,
    linear: (spec, ...rest) => {
      if ((spec as unknown as { factors: number }).factors > 10) throw new TooManyTensorsError("count: too many");
      return acdc.linear(spec, ...rest);
    },
  };
  const { convolution } = solveBudget(network, { family, module: "/acdc.ts" }, 10, 1e12);
  expect(convolution).toMatchObject({ spec: { factors: 10 } });
});

// The networks of ACDC have many layers, and counting them takes long. Their search is that of the other ranks.
test.each(budgetKinds.filter((kind) => !kind.includes("ACDC")))(
  "%s: a budget of exactly a network's size is met, by the smallest value with this size",
  (kind) => {
    const { convolution, parameters } = solveBudget(network, familyNamed(kind)!, 10, 12_000);
    expect(solveBudget(network, familyNamed(kind)!, 10, parameters)).toEqual({ convolution, parameters });
    const smaller: readonly ConvolutionSpec[] =
      "groups" in convolution
        ? Array.from({ length: convolution.groups - 1 }, (_, i) => ({ ...convolution, groups: i + 1 }))
        : kind === "Monarch" && "blocks" in convolution
          ? Array.from({ length: convolution.blocks - 1 }, (_, i) => ({ ...convolution, blocks: i + 1 }))
          : [next(convolution, -1)];
    for (const spec of smaller) expect(parametersOf(spec)).not.toBe(parameters);
  },
);

test.each([
  { kind: "Hashed", fraction: 1 },
  { kind: "SepHashed", fraction: 1 },
  { kind: "HashedSeparable", fraction: 1 },
  { kind: "Generic", scale: 4 },
  { kind: "LR", scale: 4 },
  { kind: "CP", scale: 64 },
] satisfies ConvolutionSpec[])("the search of $kind ends at its largest value", (largest) => {
  expect(solveBudget(network, familyNamed(largest.kind)!, 10, 1e12).parameters).toBe(parametersOf(largest));
});
