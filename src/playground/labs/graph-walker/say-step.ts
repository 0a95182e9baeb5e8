/** The last step of a walk in a sentence. */

import { sayValues } from "./numbers.ts";
import type { Trace } from "./trace.ts";
import type { WalkState } from "./walk.ts";

const called = (trace: Trace, node: number): string => {
  const { name, op } = trace.nodes[node]!;
  return name ?? `the output of ${op}`;
};

export function sayStep(trace: Trace, { phase, active, contributions, cotangents }: WalkState): string {
  if (phase === "start" || active === undefined) return "The leaves are known. Step forwards to compute the loss.";
  const { op, name, values, inputs } = trace.nodes[active]!;
  const result = name === undefined ? "" : `${name} = `;
  if (phase === "forward") return `${op} computes ${result}${sayValues(values)}.`;
  if (phase === "seed") return "The loss changes by 1 when the loss changes by 1: its cotangent is 1. From here the walk goes back.";
  const given = contributions.get(active)!;
  const parts = inputs.flatMap((input, i) => {
    const contribution = given[i];
    return contribution === undefined ? [] : [`${sayValues(contribution)} to ${called(trace, input)}`];
  });
  return `${op} has the cotangent ${sayValues(cotangents.get(active)!)}. Its VJP gives ${new Intl.ListFormat("en").format(parts)}.`;
}
