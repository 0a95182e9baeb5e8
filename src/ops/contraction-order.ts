/**
 * The order in which `einsum` contracts its operands, two at a time. The cost of a contraction is the product of the sizes of all labels
 * involved. For up to eight operands the order is optimal, by dynamic programming over subsets. For more operands it is the best of four
 * orders, of which each part of up to eight operands is then optimal in itself (docs/derivations/matmul.md).
 */

import { sizeOf } from "../core/shape.ts";
import { arrangement, greedyTree, intervalTree, leftToRightTree } from "./contraction-heuristics.ts";
import { type ContractionTree, join, leaf, type Network, networkOf } from "./contraction-tree.ts";

/** One step: the contraction of two terms. */
export interface Contraction {
  /** The position of the first term in the list of terms that are left. The two terms leave the list, and the result goes to its end. */
  readonly a: number;
  /** The position of the second term. */
  readonly b: number;
  /** The cost of this step. */
  readonly multiplyAdds: number;
}

/** The largest number n of terms for which the optimal order is computed. The search compares about 3ⁿ/2 pairs of subsets. */
const exactLimit = 8;

type Labels = readonly string[];

/** The number of elements of a tensor with these labels: the product of their sizes. */
export const labelledSize = (labels: Labels, sizes: ReadonlyMap<string, number>): number =>
  sizeOf(labels.map((label) => sizes.get(label)!));

/** The steps that contract `inputs` to one term with the labels `output`. `sizes` has the size of every label. */
export function contractionOrder(inputs: readonly Labels[], output: Labels, sizes: ReadonlyMap<string, number>): Contraction[] {
  const network = networkOf(inputs, output, sizes);
  const leaves = inputs.map((_, i) => leaf(network, i));
  return flatten(inputs.length <= exactLimit ? optimalTree(network, leaves) : improved(network, heuristicTree(network, leaves)), leaves);
}

/**
 * The cheapest tree of the given parts. A bit mask stands for a subset, and the best tree of a subset joins the best trees of two parts.
 */
function optimalTree(network: Network, parts: readonly ContractionTree[]): ContractionTree {
  const count = parts.length;
  const best: (ContractionTree | undefined)[] = new Array(1 << count);
  for (let i = 0; i < count; i++) best[1 << i] = parts[i]!;
  for (let subset = 1; subset < 1 << count; subset++) {
    let least = best[subset]?.cost ?? Infinity;
    let chosen = 0;
    for (let part = (subset - 1) & subset; part > (subset ^ part); part = (part - 1) & subset) {
      const [a, b] = [best[subset ^ part]!, best[part]!];
      const cost = a.cost + b.cost + network.sizeOf(a.labels | b.labels);
      if (cost < least) [least, chosen] = [cost, part];
    }
    if (chosen !== 0) best[subset] = join(network, best[subset ^ chosen]!, best[chosen]!);
  }
  return best[(1 << count) - 1]!;
}

/**
 * The cheapest of four trees. The order of the equation is the bound that no tree may exceed. The greedy tree finds good orders of
 * irregular networks. The interval trees are optimal for chains, and near the optimum for ladders such as the product of two matrix product
 * states.
 */
function heuristicTree(network: Network, leaves: readonly ContractionTree[]): ContractionTree {
  const candidates = [
    leftToRightTree(network, leaves),
    greedyTree(network, leaves),
    intervalTree(network, leaves),
    intervalTree(network, arrangement(leaves)),
  ];
  return candidates.reduce((best, tree) => (tree.cost < best.cost ? tree : best));
}

/**
 * The tree with each node rebuilt: its subtrees are opened, the most expensive one first, until there are eight parts, and the parts are
 * joined in the optimal order. Children come before parents.
 */
function improved(network: Network, tree: ContractionTree): ContractionTree {
  if (tree.children === undefined) return tree;
  const [left, right] = tree.children;
  const node = join(network, improved(network, left), improved(network, right));
  let parts: readonly ContractionTree[] = [node];
  while (parts.length < exactLimit) {
    const open = parts.reduce((most, part) => (part.ownCost > most.ownCost ? part : most));
    if (open.children === undefined) break;
    parts = [...parts.filter((part) => part !== open), ...open.children];
  }
  const best = optimalTree(network, parts);
  return best.cost < node.cost ? best : node;
}

/** The contractions of the tree, children before parents, by their positions in the list of terms that are left. */
function flatten(tree: ContractionTree, leaves: readonly ContractionTree[]): Contraction[] {
  const steps: Contraction[] = [];
  const terms: ContractionTree[] = [...leaves];
  const visit = (node: ContractionTree): void => {
    if (node.children === undefined) return;
    for (const child of node.children) visit(child);
    const [a, b] = node.children.map((child) => terms.indexOf(child)) as [number, number];
    steps.push({ a, b, multiplyAdds: node.ownCost });
    terms.splice(Math.max(a, b), 1);
    terms.splice(Math.min(a, b), 1);
    terms.push(node);
  };
  visit(tree);
  return steps;
}
