/**
 * In which order to contract a tensor network. The cost of a contraction is the product of the sizes of all labels involved;
 * small networks are solved exactly by dynamic programming over subsets, larger ones greedily, or from left to right where that is cheaper.
 */

export interface Contraction {
  /** Positions in the list of terms left; the result goes to its end. */
  readonly a: number;
  readonly b: number;
  readonly multiplyAdds: number;
}

/** Up to this many operands every order is weighed: 3ⁿ pairs of subsets. */
const exactLimit = 8;

type Labels = readonly string[];

export function contractionOrder(inputs: readonly Labels[], output: Labels, sizes: ReadonlyMap<string, number>): Contraction[] {
  const network: Network = { inputs, output, sizes };
  return flatten(inputs.length <= exactLimit ? bestTree(network) : goodTree(network), network);
}

interface Network {
  readonly inputs: readonly Labels[];
  readonly output: Labels;
  readonly sizes: ReadonlyMap<string, number>;
}

/** A contraction tree: which operands it covers, which labels remain, what it costs in all. */
interface Tree {
  readonly members: readonly number[];
  readonly labels: Labels;
  readonly cost: number;
  readonly own: number;
  readonly children?: readonly [Tree, Tree];
}

/** Labels that something outside `members` still needs. */
function remaining({ inputs, output }: Network, members: readonly number[], labels: Labels): Labels {
  const outside = new Set([...output, ...inputs.flatMap((term, i) => (members.includes(i) ? [] : term))]);
  return labels.filter((label) => outside.has(label));
}

function leaf(network: Network, index: number): Tree {
  return { members: [index], labels: [...new Set(network.inputs[index]!)], cost: 0, own: 0 };
}

function join(network: Network, a: Tree, b: Tree): Tree {
  const members = [...a.members, ...b.members];
  // What only one side has and nobody else needs is summed before the product, so it costs nothing in it.
  const involved = new Set([...remaining(network, a.members, a.labels), ...remaining(network, b.members, b.labels)]);
  const own = [...involved].reduce((product, label) => product * network.sizes.get(label)!, 1);
  return { members, labels: remaining(network, members, [...involved]), cost: a.cost + b.cost + own, own, children: [a, b] };
}

/** The cheapest tree over every subset, from the small to the large. */
function bestTree(network: Network): Tree {
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

/** Greed has no bound on its cost; the order as written is one, since whoever wrote it may have known better. */
function goodTree(network: Network): Tree {
  const greedy = greedyTree(network);
  const asWritten = network.inputs.map((_, i) => leaf(network, i)).reduce((done, next) => join(network, done, next));
  return asWritten.cost < greedy.cost ? asWritten : greedy;
}

/** At each step the pair whose result is smallest compared with what it replaces. */
function greedyTree(network: Network): Tree {
  const size = (labels: Labels): number => labels.reduce((product, label) => product * network.sizes.get(label)!, 1);
  let trees = network.inputs.map((_, i) => leaf(network, i));
  while (trees.length > 1) {
    let chosen: { a: Tree; b: Tree; joined: Tree; growth: number } | undefined;
    for (const [i, a] of trees.entries()) {
      for (const b of trees.slice(i + 1)) {
        const joined = join(network, a, b);
        const growth = size(joined.labels) - size(a.labels) - size(b.labels);
        if (chosen === undefined || growth < chosen.growth) chosen = { a, b, joined, growth };
      }
    }
    const { a, b, joined } = chosen!;
    trees = [...trees.filter((tree) => tree !== a && tree !== b), joined];
  }
  return trees[0]!;
}

/** The tree's contractions as positions in a list that shrinks: children before parents. */
function flatten(tree: Tree, network: Network): Contraction[] {
  const steps: Contraction[] = [];
  let terms: string[] = network.inputs.map((_, i) => String(i));
  const visit = (node: Tree): string => {
    if (node.children === undefined) return String(node.members[0]);
    const [left, right] = node.children.map(visit) as [string, string];
    steps.push({ a: terms.indexOf(left), b: terms.indexOf(right), multiplyAdds: node.own });
    const name = `(${left},${right})`;
    terms = [...terms.filter((term) => term !== left && term !== right), name];
    return name;
  };
  visit(tree);
  return steps;
}
