/** Contraction trees: a leaf is an operand of an einsum, and an inner node is the contraction of its two children. */

/** A set of labels or of operands: bit i stands for the i-th one. */
export type BitSet = bigint;

/** The operands by their labels, and the labels of the result. */
export interface Network {
  readonly inputs: readonly BitSet[];
  readonly output: BitSet;
  /** The product of the sizes of a set of labels. */
  readonly sizeOf: (labels: BitSet) => number;
}

/** A contraction tree. */
export interface ContractionTree {
  /** The operands below this node. */
  readonly members: BitSet;
  /** The labels of the node's result that the output or another operand still needs. The other labels are summed within the node. */
  readonly labels: BitSet;
  /** The cost of all contractions of the tree. */
  readonly cost: number;
  /** The cost of the contraction at this node alone. */
  readonly ownCost: number;
  readonly children?: readonly [ContractionTree, ContractionTree];
}

/** The network with its labels as bits. */
export function networkOf(inputs: readonly (readonly string[])[], output: readonly string[], sizes: ReadonlyMap<string, number>): Network {
  const bits = new Map<string, BitSet>();
  for (const label of inputs.flat()) if (!bits.has(label)) bits.set(label, 1n << BigInt(bits.size));
  const known = [...bits].map(([label, bit]) => [bit, sizes.get(label)!] as const);
  const setOf = (labels: readonly string[]): BitSet => labels.reduce((set, label) => set | (bits.get(label) ?? 0n), 0n);
  const found = new Map<BitSet, number>();
  const sizeOf = (labels: BitSet): number => {
    let size = found.get(labels);
    if (size === undefined) {
      size = known.reduce((product, [bit, own]) => ((labels & bit) === 0n ? product : product * own), 1);
      found.set(labels, size);
    }
    return size;
  };
  return { inputs: inputs.map(setOf), output: setOf(output), sizeOf };
}

/** The labels that the output or an operand outside `members` needs. */
const neededOutside = ({ inputs, output }: Network, members: BitSet): BitSet =>
  inputs.reduce((set, labels, i) => ((members >> BigInt(i)) & 1n ? set : set | labels), output);

/** The operand `index` as a tree. A label that it alone has is summed before any product, so it does not count in a cost. */
export function leaf(network: Network, index: number): ContractionTree {
  const members = 1n << BigInt(index);
  return { members, labels: network.inputs[index]! & neededOutside(network, members), cost: 0, ownCost: 0 };
}

/** The contraction of two trees. */
export function join(network: Network, a: ContractionTree, b: ContractionTree): ContractionTree {
  const [members, involved] = [a.members | b.members, a.labels | b.labels];
  const ownCost = network.sizeOf(involved);
  return { members, labels: involved & neededOutside(network, members), cost: a.cost + b.cost + ownCost, ownCost, children: [a, b] };
}
