/**
 * Einstein summation of any number of operands: every sum of products over named axes, from trace to tensor network.
 *
 * One formula, three steps: (1) within each operand, repeated labels become diagonals and labels nobody else needs are summed away;
 * (2) operands are contracted two at a time, each contraction being one batched matmul, in the order that multiplies least;
 * (3) the last result's axes are put in the order asked for. All are ops, so the gradient needs no rule of its own.
 */

import { ShapeError } from "../core/errors.ts";
import { formatShape, type Shape } from "../core/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { contractionOrder } from "./contraction-order.ts";
import { diagonal, permute } from "./layout.ts";
import { matmul } from "./matmul.ts";
import { checkFloating } from "./output.ts";
import { reshape } from "./reshape.ts";
import { sum } from "./sum-and-broadcast.ts";

/** A tensor whose axes have names. */
interface Labelled {
  readonly tensor: Tensor;
  readonly labels: readonly string[];
}

interface Equation {
  readonly inputs: readonly (readonly string[])[];
  readonly output: readonly string[];
}

/** The labels of one term; `...` stands for `0`, `1`, … counted from the last of the axes it covers. */
function parseTerm(equation: string, term: string, ellipsisRank: number): string[] {
  const [before, after, more] = term.split("...");
  if (more !== undefined || !/^[A-Za-z]*$/.test(before! + (after ?? "")))
    throw new ShapeError(`einsum: a term is letters with at most one "...", got "${term}" in "${equation}"`);
  const covered = after === undefined ? [] : Array.from({ length: ellipsisRank }, (_, i) => String(ellipsisRank - 1 - i));
  return [...before!, ...covered, ...(after ?? "")];
}

function parse(equation: string, operands: readonly Tensor[]): Equation {
  const [left, right, more] = equation.replaceAll(" ", "").split("->");
  const terms = left!.split(",");
  if (more !== undefined) throw new ShapeError(`einsum: at most one "->" is allowed, got "${equation}"`);
  if (terms.length !== operands.length)
    throw new ShapeError(`einsum: needs one operand per term, got ${operands.length} for the ${terms.length} of "${equation}"`);
  const ranks = terms.map((term, i) => (term.includes("...") ? operands[i]!.rank - (term.length - 3) : 0));
  const inputs = terms.map((term, i) => {
    const labels = parseTerm(equation, term, ranks[i]!);
    if (labels.length !== operands[i]!.rank || ranks[i]! < 0)
      throw new ShapeError(`einsum: term "${term}" must name each axis of its operand, got ${formatShape(operands[i]!.shape)}`);
    return labels;
  });
  return {
    inputs,
    output: right === undefined ? implicitOutput(inputs) : checkOutput(equation, parseTerm(equation, right, Math.max(0, ...ranks)), inputs),
  };
}

/** Without "->": the ellipsis, then the labels that appear once, in alphabetical order. */
function implicitOutput(inputs: Equation["inputs"]): string[] {
  const all = inputs.flat();
  const covered = [...new Set(all.filter((label) => /\d/.test(label)))].sort((a, b) => Number(b) - Number(a));
  return [...covered, ...all.filter((label) => /\D/.test(label) && all.indexOf(label) === all.lastIndexOf(label)).sort()];
}

function checkOutput(equation: string, output: string[], inputs: Equation["inputs"]): string[] {
  const known = new Set(inputs.flat());
  if (new Set(output).size !== output.length || output.some((label) => !known.has(label)))
    throw new ShapeError(`einsum: output labels must be distinct and appear on the left, got "${equation}"`);
  return output;
}

/** One size per label; axes of size 1 broadcast against longer ones. */
function sizesOf(equation: string, inputs: Equation["inputs"], operands: readonly Tensor[]): Map<string, number> {
  const sizes = new Map<string, number>();
  inputs.forEach((labels, i) => {
    labels.forEach((label, axis) => {
      const size = operands[i]!.shape[axis]!;
      const known = sizes.get(label) ?? 1;
      if (known !== size && known !== 1 && size !== 1)
        throw new ShapeError(
          `einsum: label "${label}" must have one size, got ${known} and ${size} in "${equation}" (${operands.map((x) => formatShape(x.shape)).join(", ")})`,
        );
      sizes.set(label, known === 1 ? size : known);
    });
  });
  return sizes;
}

/** Diagonals of repeated labels; axes of size 1 that elsewhere are longer dropped, for matmul broadcasts by absence. */
function simplify({ tensor, labels }: Labelled, sizes: ReadonlyMap<string, number>): Labelled {
  let current: Labelled = { tensor, labels };
  const repeated = labels.find((label, axis) => labels.indexOf(label) !== axis);
  if (repeated !== undefined) {
    const axes = labels.flatMap((label, axis) => (label === repeated ? [axis] : []));
    current = simplify({ tensor: diagonal(tensor, axes), labels: [...labels.filter((label) => label !== repeated), repeated] }, sizes);
  }
  const short = current.labels.map((label, axis) => current.tensor.shape[axis] === 1 && sizes.get(label) !== 1);
  if (!short.some(Boolean)) return current;
  return {
    tensor: reshape(
      current.tensor,
      current.tensor.shape.filter((_, axis) => !short[axis]),
    ),
    labels: current.labels.filter((_, axis) => !short[axis]),
  };
}

/** The labels `simplify` leaves of a term. */
const simplifiedLabels = (labels: readonly string[], shape: Shape, sizes: ReadonlyMap<string, number>): string[] =>
  labels.filter((label, axis) => labels.indexOf(label) === axis && (shape[axis] !== 1 || sizes.get(label) === 1));

/** Sums away the labels not in `needed`. */
function sumUnneeded({ tensor, labels }: Labelled, needed: ReadonlySet<string>): Labelled {
  const axes = labels.flatMap((label, axis) => (needed.has(label) ? [] : [axis]));
  return axes.length === 0 ? { tensor, labels } : { tensor: sum(tensor, { axes }), labels: labels.filter((label) => needed.has(label)) };
}

/** The tensor as matrices [batch, first, second], or [batch, second, first] with `swapped` where that spares the copy. */
function asMatrices(
  x: Labelled,
  sizes: ReadonlyMap<string, number>,
  groups: readonly [string[], string[], string[]],
): { matrix: Tensor; swapped: boolean } {
  const [batch, first, second] = groups;
  const order = [...batch, ...first, ...second].map((label) => x.labels.indexOf(label));
  const swappedOrder = [...batch, ...second, ...first].map((label) => x.labels.indexOf(label));
  const swapped = swappedOrder.every((axis, i) => axis === i) && !order.every((axis, i) => axis === i);
  const count = (labels: readonly string[]): number => labels.reduce((product, label) => product * sizes.get(label)!, 1);
  const [rows, columns] = swapped ? [second, first] : [first, second];
  return { matrix: reshape(permute(x.tensor, swapped ? swappedOrder : order), [count(batch), count(rows), count(columns)]), swapped };
}

/** Two operands into one: shared labels still needed are the batch, shared ones no longer needed are summed, by one batched matmul. */
function contract(a: Labelled, b: Labelled, needed: ReadonlySet<string>, sizes: ReadonlyMap<string, number>): Labelled {
  const [left, right] = [sumUnneeded(a, new Set([...needed, ...b.labels])), sumUnneeded(b, new Set([...needed, ...a.labels]))];
  const shared = left.labels.filter((label) => right.labels.includes(label));
  const batch = shared.filter((label) => needed.has(label));
  const inner = shared.filter((label) => !needed.has(label));
  const rows = left.labels.filter((label) => !shared.includes(label));
  const columns = right.labels.filter((label) => !shared.includes(label));
  const A = asMatrices(left, sizes, [batch, rows, inner]);
  const B = asMatrices(right, sizes, [batch, inner, columns]);
  const product = matmul(A.matrix, B.matrix, { transposeA: A.swapped, transposeB: B.swapped });
  const labels = [...batch, ...rows, ...columns];
  return {
    tensor: reshape(
      product,
      labels.map((label) => sizes.get(label)!),
    ),
    labels,
  };
}

/**
 * y[output] = Σ over all other labels of Π operands[i][labels_i]: `einsum("bij,bjk->bik", a, b)`. A label repeated within a term takes the
 * diagonal, `...` stands for leading axes that broadcast, and without "->" the labels that appear once remain, in alphabetical order (NumPy's rules).
 * @throws ShapeError when the equation and the operands do not fit.
 */
export function einsum(equation: string, ...operands: readonly Tensor[]): Tensor {
  if (operands.length === 0) throw new ShapeError(`einsum: needs at least one operand, got none for "${equation}"`);
  checkFloating("einsum", ...operands);
  const { inputs, output } = parse(equation, operands);
  const sizes = sizesOf(equation, inputs, operands);
  const terms: Labelled[] = operands.map((tensor, i) => simplify({ tensor, labels: inputs[i]! }, sizes));
  for (const { a, b } of contractionOrder(
    terms.map(({ labels }) => labels),
    output,
    sizes,
  )) {
    const [left, right] = [terms[a]!, terms[b]!];
    const rest = terms.filter((_, i) => i !== a && i !== b);
    const needed = new Set([...output, ...rest.flatMap(({ labels }) => labels)]);
    terms.splice(0, terms.length, ...rest, contract(left, right, needed, sizes));
  }
  const result = sumUnneeded(terms[0]!, new Set(output));
  return permute(
    result.tensor,
    output.map((label) => result.labels.indexOf(label)),
  );
}

/** The multiply-adds of the order `einsum` takes: the sum over its contractions of the product of all sizes involved. */
export function einsumMultiplyAdds(equation: string, ...operands: readonly Tensor[]): number {
  const { inputs, output } = parse(equation, operands);
  const sizes = sizesOf(equation, inputs, operands);
  const terms = inputs.map((labels, i) => simplifiedLabels(labels, operands[i]!.shape, sizes));
  return contractionOrder(terms, output, sizes).reduce((total, step) => total + step.multiplyAdds, 0);
}
