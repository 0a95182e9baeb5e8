/** Good contraction trees for many operands, each in at most cubic time. */

import { type BitSet, type ContractionTree, join, type Network } from "./contraction-tree.ts";

/** The tree that contracts the operands in the order of the equation. */
export const leftToRightTree = (network: Network, leaves: readonly ContractionTree[]): ContractionTree =>
  leaves.reduce((left, right) => join(network, left, right));

/** Each step joins the pair with the least growth: the size of the result minus the sizes of the two terms that it replaces. */
export function greedyTree(network: Network, leaves: readonly ContractionTree[]): ContractionTree {
  let trees = leaves;
  while (trees.length > 1) {
    let chosen: { a: ContractionTree; b: ContractionTree; joined: ContractionTree; growth: number } | undefined;
    const connected = trees.some((a, i) => trees.some((b, j) => i < j && (a.labels & b.labels) !== 0n));
    for (const [i, a] of trees.entries())
      for (let j = i + 1; j < trees.length; j++) {
        const b = trees[j]!;
        if (connected && (a.labels & b.labels) === 0n) continue;
        const joined = join(network, a, b);
        const growth = network.sizeOf(joined.labels) - network.sizeOf(a.labels) - network.sizeOf(b.labels);
        if (chosen === undefined || growth < chosen.growth) chosen = { a, b, joined, growth };
      }
    const { a, b, joined } = chosen!;
    trees = [...trees.filter((tree) => tree !== a && tree !== b), joined];
  }
  return trees[0]!;
}

/** The largest number n of operands that `intervalTree` searches, in n³/6 steps. More operands are contracted from left to right. */
const intervalLimit = 150;

/**
 * The cheapest tree whose every node covers adjacent operands, by dynamic programming over intervals. This is the classical order of a
 * chain of matrices (Godbole 1973, IEEE Trans. Computers C-22), and for a chain in its own order no tree is cheaper.
 */
export function intervalTree(network: Network, leaves: readonly ContractionTree[]): ContractionTree {
  const n = leaves.length;
  if (n > intervalLimit) return leftToRightTree(network, leaves);
  const best: ContractionTree[][] = leaves.map((tree, i) => {
    const row: ContractionTree[] = [];
    row[i] = tree;
    return row;
  });
  for (let length = 2; length <= n; length++)
    for (let first = 0; first + length <= n; first++) {
      const last = first + length - 1;
      let [least, split] = [Infinity, first];
      for (let k = first; k < last; k++) {
        const [a, b] = [best[first]![k]!, best[k + 1]![last]!];
        const cost = a.cost + b.cost + network.sizeOf(a.labels | b.labels);
        if (cost < least) [least, split] = [cost, k];
      }
      best[first]![last] = join(network, best[first]![split]!, best[split + 1]![last]!);
    }
  return best[0]![n - 1]!;
}

/**
 * The operands in an order in which those with common labels are near each other (Cuthill & McKee 1969). It walks through the network
 * breadth first, from an operand at one end of it, so a chain or a ladder is walked from end to end.
 */
export function arrangement(leaves: readonly ContractionTree[]): ContractionTree[] {
  const neighbours = leaves.map((a, i) => leaves.flatMap((b, j) => (i !== j && (a.labels & b.labels) !== 0n ? [j] : [])));
  const degree = (i: number): number => neighbours[i]!.length;
  const walk = (start: number): number[] => {
    const order = [start];
    let seen: BitSet = 1n << BigInt(start);
    for (let at = 0; at < order.length; at++)
      for (const next of [...neighbours[order[at]!]!].sort((i, j) => degree(i) - degree(j) || i - j))
        if (((seen >> BigInt(next)) & 1n) === 0n) {
          seen |= 1n << BigInt(next);
          order.push(next);
        }
    return order;
  };
  const order: number[] = [];
  const left = new Set(leaves.keys());
  while (left.size > 0) {
    const start = [...left].reduce((least, i) => (degree(i) < degree(least) ? i : least));
    // The last operand of a walk lies at an end of its part of the network.
    for (const i of walk(walk(start).at(-1)!)) {
      order.push(i);
      left.delete(i);
    }
  }
  return order.map((i) => leaves[i]!);
}
