/** The cases of `counts.json`: parameters, multiply-adds, compression ratio and decay groups of whole networks. */

import { SeparableError } from "../core/errors.ts";
import { countSpec, type NetworkReport } from "../experiment/count-spec.ts";
import { parseConvolution } from "../structured/convolution-text.ts";
import { beyondReference } from "./beyond-reference.ts";
import { type Case, type Comparison, relativeError, verdict } from "./comparison.ts";
import { type Fields, FixtureError } from "./fixture-folder.ts";
import { findNetwork } from "./fixture-networks.ts";

/** The relative error allowed. The multiply-adds of ACDC are sums of logarithms, whose rounding depends on the order of the sum. */
const rounding = 1e-12;

/** The fields of an entry, and the number of the report that each must equal. */
const expectations: readonly (readonly [string, (report: NetworkReport) => number])[] = [
  ["params", ({ params }) => params],
  ["mult_adds", ({ paperMultAdds }) => paperMultAdds],
  ["compression_ratio", ({ compressionRatio }) => compressionRatio],
  ["group_lowrank_params", ({ groups }) => groups.compressed],
  ["group_other_params", ({ groups }) => groups.full],
];

export const countCases = (entries: readonly Fields[]): Case[] =>
  entries.map((entry) => {
    const [network, conv] = [entry.text("network"), entry.text("conv")];
    const sizes = ["depth", "width"].flatMap((size) => (entry.has(size) ? [entry.number(size)] : []));
    const classes = entry.has("num_classes") ? entry.number("num_classes") : 10;
    const input = entry.has("input_hw") ? entry.number("input_hw") : 32;
    return {
      name: `count ${[network, ...sizes].join("-")} ${conv}, ${classes} classes, ${input}×${input}`,
      run: async () => {
        const found = findNetwork(network);
        if ("missing" in found) return { status: "skipped", reason: found.missing };
        const dimensions = (name: string): number => entry.number(name);
        const count = (): NetworkReport => countSpec(found.spec(dimensions, parseConvolution(conv)), classes, input);
        return verdict((comparison) => (entry.has("error") ? expectError(count, conv, comparison) : compare(count(), entry, comparison)));
      },
    };
  });

function compare(report: NetworkReport, entry: Fields, comparison: Comparison): undefined {
  const given = expectations.filter(([name]) => entry.has(name));
  if (given.length === 0)
    throw new FixtureError(`verify: an entry of counts.json must hold ${expectations.map(([n]) => n).join(", ")}, got none`);
  for (const [name, of] of given) {
    const [got, expected] = [of(report), entry.number(name)];
    if (relativeError([got], [expected]) > rounding) comparison.equal(name, got, expected);
  }
}

/** Checks a case in which the paper's code raises: `attempt` must throw a SeparableError, or the layer must be in `beyondReference`. */
export async function expectError(attempt: () => unknown, conv: string, comparison: Comparison): Promise<string | undefined> {
  try {
    await attempt();
  } catch (error) {
    if (error instanceof SeparableError) return `refused: ${error.name}: ${error.message}`;
    throw error;
  }
  const { kind } = parseConvolution(conv);
  const reason = kind === "own" ? undefined : beyondReference[kind];
  if (reason === undefined) comparison.fault("the paper's code raises here, and this library does not");
  return reason;
}
