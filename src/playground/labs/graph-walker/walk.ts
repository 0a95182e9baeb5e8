/** A walk through a trace: from the leaves forwards to the loss, then back to the parameters. Position 0 is before the first step. */

import type { Trace, Values } from "./trace.ts";

/** What is known at a position of the walk. */
export interface WalkState {
  readonly phase: "start" | "forward" | "seed" | "backward";
  /** The node of the last step; undefined at the start. */
  readonly active: number | undefined;
  /** The nodes whose values are known. */
  readonly known: ReadonlySet<number>;
  /** The contributions that the VJPs of a node have given to its inputs. */
  readonly contributions: ReadonlyMap<number, readonly (Values | undefined)[]>;
  /** The sum of the contributions that have reached each node so far. */
  readonly cotangents: ReadonlyMap<number, Values>;
}

const computed = (trace: Trace): number[] => trace.nodes.flatMap(({ op }, i) => (op === undefined ? [] : [i]));

/** The last position: one step for each op, one for the cotangent 1 of the loss, and one for each pull-back. */
export const lastPosition = (trace: Trace): number => computed(trace).length + 1 + trace.pulls.length;

/** The position at which the walk turns: the loss has its cotangent, and nothing else has one. */
export const turningPosition = (trace: Trace): number => computed(trace).length + 1;

const plus = (a: Values | undefined, b: Values): Values => (a === undefined ? b : a.map((value, i) => value + b[i]!));

/** What is known at a position in [0, lastPosition]. */
export function stateAt(trace: Trace, position: number): WalkState {
  const ops = computed(trace);
  const leaves = trace.nodes.flatMap(({ op }, i) => (op === undefined ? [i] : []));
  const known = new Set([...leaves, ...ops.slice(0, position)]);
  const contributions = new Map<number, readonly (Values | undefined)[]>();
  const cotangents = new Map<number, Values>();
  if (position === 0) return { phase: "start", active: undefined, known, contributions, cotangents };
  if (position <= ops.length) return { phase: "forward", active: ops[position - 1], known, contributions, cotangents };
  const loss = trace.nodes.length - 1;
  cotangents.set(loss, [1]);
  const pulls = trace.pulls.slice(0, position - ops.length - 1);
  for (const { node, contributions: given } of pulls) {
    contributions.set(node, given);
    given.forEach((contribution, i) => {
      const input = trace.nodes[node]!.inputs[i]!;
      if (contribution !== undefined) cotangents.set(input, plus(cotangents.get(input), contribution));
    });
  }
  const last = pulls.at(-1);
  return { phase: last === undefined ? "seed" : "backward", active: last?.node ?? loss, known, contributions, cotangents };
}
