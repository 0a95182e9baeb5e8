/**
 * The order in which `einsum` contracts its operands, two at a time. The cost of a contraction is the product of the sizes of all labels
 * involved. For up to eight operands the order is optimal, by dynamic programming over subsets. For more operands it is the cheaper of a
 * greedy order and the order of the equation (docs/derivations/matmul.md).
 */

import { sizeOf } from "../core/shape.ts";

/** One step: the contraction of two terms. */
export interface Contraction {
  /** The position of the first term in the list of terms that are left. The two terms leave the list, and the result goes to its end. */
  readonly a: number;
  /** The position of the second term. */
  readonly b: number;
  /** The cost of this step. */
  readonly multiplyAdds: number;
}

/** The largest number n of operands for which the optimal order is computed. The search compares about 3ⁿ pairs of subsets. */
const exactLimit = 8;

type Labels = readonly string[];

/** The number of elements of a tensor with these labels: the product of their sizes. */
export const labelledSize = (labels: Labels, sizes: ReadonlyMap<string, number>): number =>
  sizeOf(labels.map((label) => sizes.get(label)!));

/** The steps that contract `inputs` to one term with the labels `output`. `sizes` has the size of every label. */
export function contractionOrder(inputs: readonly Labels[], output: Labels, sizes: ReadonlyMap<string, number>): Contraction[] {
  const network: Network = { inputs, output, sizes };
  return flatten(inputs.length <= exactLimit ? optimalTree(network) : heuristicTree(network), network);
}

/** The operands by their labels, the labels of the result, and the sizes of the labels. */
interface Network {
  readonly inputs: readonly Labels[];
  readonly output: Labels;
  readonly sizes: ReadonlyMap<string, number>;
}

/** A contraction tree: a leaf is an operand, and an inner node is the contraction of its two children. */
interface Tree {
  /** The operands below this node. */
  readonly members: readonly number[];
  /** The labels of the node's result. */
  readonly labels: Labels;
  /** The cost of all contractions of the tree. */
  readonly cost: number;
  /** The cost of the contraction at this node alone. */
  readonly ownCost: number;
  readonly children?: readonly [Tree, Tree];
}

/** Those of `labels` that the output or an operand outside `members` still needs. */
function remaining({ inputs, output }: Network, members: readonly number[], labels: Labels): Labels {
  const outside = new Set([...output, ...inputs.flatMap((term, i) => (members.includes(i) ? [] : term))]);
  return labels.filter((label) => outside.has(label));
}

function leaf(network: Network, index: number): Tree {
  return { members: [index], labels: [...new Set(network.inputs[index]!)], cost: 0, ownCost: 0 };
}

function join(network: Network, a: Tree, b: Tree): Tree {
  const members = [...a.members, ...b.members];
  // A label that one side alone has and that nothing else needs is summed before the product. So it does not count in the cost.
  const involved = new Set([...remaining(network, a.members, a.labels), ...remaining(network, b.members, b.labels)]);
  const ownCost = labelledSize([...involved], network.sizes);
  return { members, labels: remaining(network, members, [...involved]), cost: a.cost + b.cost + ownCost, ownCost, children: [a, b] };
}

/** The cheapest tree. A bit mask stands for a subset of the operands, and the best tree of a subset joins the best trees of two parts. */
function optimalTree(network: Network): Tree {
  const count = network.inputs.length;
  const best: (Tree | undefined)[] = new Array(1 << count);
  for (let i = 0; i < count; i++) best[1 << i] = leaf(network, i);
  for (let subset = 1; subset < 1 << count; subset++) {
    for (let part = (subset - 1) & subset; part > (subset ^ part); part = (part - 1) & subset) {
      const candidate = join(network, best[subset ^ part]!, best[part]!);
      if (candidate.cost < (best[subset]?.cost ?? Infinity)) best[subset] = candidate;
    }
  }
  return best[(1 << count) - 1]!;
}

/** The cheaper of the greedy tree and the order of the equation. The greedy tree alone can cost more than the order that the user wrote. */
function heuristicTree(network: Network): Tree {
  const greedy = greedyTree(network);
  const leftToRight = network.inputs.map((_, i) => leaf(network, i)).reduce((left, right) => join(network, left, right));
  return leftToRight.cost < greedy.cost ? leftToRight : greedy;
}

/** Each step joins the pair with the least growth: the size of the result minus the sizes of the two terms that it replaces. */
function greedyTree(network: Network): Tree {
  const size = ({ labels }: Tree): number => labelledSize(labels, network.sizes);
  let trees = network.inputs.map((_, i) => leaf(network, i));
  while (trees.length > 1) {
    let chosen: { a: Tree; b: Tree; joined: Tree; growth: number } | undefined;
    for (const [i, a] of trees.entries()) {
      for (const b of trees.slice(i + 1)) {
        const joined = join(network, a, b);
        const growth = size(joined) - size(a) - size(b);
        if (chosen === undefined || growth < chosen.growth) chosen = { a, b, joined, growth };
      }
    }
    const { a, b, joined } = chosen!;
    trees = [...trees.filter((tree) => tree !== a && tree !== b), joined];
  }
  return trees[0]!;
}

/** The contractions of the tree, children before parents, by their positions in the list of terms that are left. */
function flatten(tree: Tree, network: Network): Contraction[] {
  const steps: Contraction[] = [];
  let terms: string[] = network.inputs.map((_, i) => String(i));
  const visit = (node: Tree): string => {
    if (node.children === undefined) return String(node.members[0]);
    const [left, right] = node.children.map(visit) as [string, string];
    steps.push({ a: terms.indexOf(left), b: terms.indexOf(right), multiplyAdds: node.ownCost });
    const name = `(${left},${right})`;
    terms = [...terms.filter((term) => term !== left && term !== right), name];
    return name;
  };
  visit(tree);
  return steps;
}
