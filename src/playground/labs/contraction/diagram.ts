/**
 * The tensor-network diagram of terms: a node for each term, an edge for each label. A label of two terms is an edge between them. A label
 * of the output has an end that dangles. A label with more than two ends has a joint where they meet.
 */

import type { Network, Term } from "./orders.ts";
import { type Point, spread } from "./spread.ts";

export interface Edge {
  readonly label: string;
  readonly size: number;
  /** The terms that have the label. */
  readonly terms: readonly number[];
  /** Whether the label dangles, because the output has it. */
  readonly open: boolean;
  /** Whether the edge has more than two ends. */
  readonly joint: boolean;
}

/** The edges of terms, in the order in which their labels appear. */
export function edgesOf({ output, sizes }: Network, terms: readonly Term[]): Edge[] {
  const labels = [...new Set(terms.flatMap((term) => term.labels))];
  return labels.map((label) => {
    const holders = terms.flatMap((term, i) => (term.labels.includes(label) ? [i] : []));
    const open = output.includes(label);
    return { label, size: sizes.get(label)!, terms: holders, open, joint: holders.length + Number(open) > 2 };
  });
}

/** Where the operands, the joints and the dangling ends of a network are. Steps leave the places as they are. */
export interface Places {
  readonly operands: readonly Point[];
  readonly joints: ReadonlyMap<string, Point>;
  readonly ends: ReadonlyMap<string, Point>;
}

/** The length of a dangling edge, and of an edge to a joint; an edge between two operands has the length 1. */
const lengths = { dangling: 0.62, joint: 0.7 } as const;

/** The places for a network before its first step. */
export function placesOf(operands: readonly Term[], edges: readonly Edge[]): Places {
  let count = operands.length;
  const [joints, ends] = [new Map<string, number>(), new Map<string, number>()];
  const lines: [number, number, number][] = [];
  for (const { label, terms, open, joint } of edges) {
    if (joint) joints.set(label, count++);
    if (open) ends.set(label, count++);
    const middle = joints.get(label) ?? terms[0]!;
    if (joint) for (const term of terms) lines.push([term, middle, lengths.joint]);
    else if (terms.length === 2) lines.push([terms[0]!, terms[1]!, 1]);
    if (open) lines.push([middle, ends.get(label)!, lengths.dangling]);
  }
  const points = spread(count, lines);
  const at = (vertices: ReadonlyMap<string, number>): Map<string, Point> =>
    new Map([...vertices].map(([label, vertex]) => [label, points[vertex]!]));
  return { operands: points.slice(0, operands.length), joints: at(joints), ends: at(ends) };
}

/** The middle of the operands of a term. */
export function placeOf({ members }: Term, { operands }: Places): Point {
  const points = members.map((member) => operands[member]!);
  const mean = (f: (p: Point) => number): number => points.reduce((sum, p) => sum + f(p), 0) / points.length;
  return { x: mean(({ x }) => x), y: mean(({ y }) => y) };
}

/** The names of operands: A, B, C, and so on. A term has the names of all its operands. */
export const termName = ({ members }: Term): string => members.map((member) => String.fromCharCode(65 + member)).join("");
