/**
 * Einstein summation of any number of operands: any sum of products over named axes, from a trace to a tensor network.
 *
 * It takes three steps. First, each repeated label within an operand becomes a diagonal. Second, the operands are contracted two at a time,
 * in the cheapest order that `contractionOrder` finds, and each contraction is one batched matmul. Third, the axes of the result are put in
 * the order of the equation. All steps are ops, so einsum needs no VJP of its own (docs/derivations/matmul.md).
 */

import { ShapeError } from "../core/errors.ts";
import { largest } from "../core/extent.ts";
import { formatShape, type Shape } from "../core/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type Contraction, contractionOrder, labelledSize } from "./contraction-order.ts";
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

/** An equation as lists of labels. */
interface Equation {
  readonly inputs: readonly (readonly string[])[];
  readonly output: readonly string[];
}

/** The labels of one term. The axes that `...` covers get the labels `0`, `1`, …, counted from the last one. */
function parseTerm(equation: string, term: string, ellipsisRank: number): string[] {
  const [before, after, more] = term.split("...");
  if (more !== undefined || !/^[A-Za-z]*$/.test(before! + (after ?? "")))
    throw new ShapeError(`einsum: a term must consist of letters and at most one "...", got "${term}" in "${equation}"`);
  const covered = after === undefined ? [] : Array.from({ length: ellipsisRank }, (_, i) => String(ellipsisRank - 1 - i));
  return [...before!, ...covered, ...(after ?? "")];
}

/** The equation, checked against the shapes of the operands. @throws ShapeError */
function parse(equation: string, shapes: readonly Shape[]): Equation {
  const [left, right, more] = equation.replaceAll(" ", "").split("->");
  const terms = left!.split(",");
  if (more !== undefined) throw new ShapeError(`einsum: at most one "->" is allowed, got "${equation}"`);
  if (terms.length !== shapes.length)
    throw new ShapeError(`einsum: needs one operand per term, got ${shapes.length} operands for ${terms.length} terms of "${equation}"`);
  const ranks = terms.map((term, i) => (term.includes("...") ? shapes[i]!.length - (term.length - 3) : 0));
  const inputs = terms.map((term, i) => {
    const labels = parseTerm(equation, term, ranks[i]!);
    if (labels.length !== shapes[i]!.length || ranks[i]! < 0)
      throw new ShapeError(`einsum: term "${term}" must name each axis of its operand, got ${formatShape(shapes[i]!)}`);
    return labels;
  });
  if (right === undefined) return { inputs, output: implicitOutput(inputs) };
  const covered = largest(ranks);
  if (covered > 0 && !right.includes("..."))
    throw new ShapeError(
      `einsum: the output must have "..." for the axes that "..." covers on the left, here ${covered}, got "${equation}"`,
    );
  return { inputs, output: checkOutput(equation, parseTerm(equation, right, covered), inputs) };
}

/** The output of an equation without "->": the axes of the ellipsis, and then the labels that appear once, in alphabetical order. */
function implicitOutput(inputs: Equation["inputs"]): string[] {
  const all = inputs.flat();
  const covered = [...new Set(all.filter((label) => /\d/.test(label)))].sort((a, b) => Number(b) - Number(a));
  return [...covered, ...all.filter((label) => /\D/.test(label) && all.indexOf(label) === all.lastIndexOf(label)).sort()];
}

/** The labels of the output. @throws ShapeError unless they are distinct and each one appears in an input. */
function checkOutput(equation: string, output: string[], inputs: Equation["inputs"]): string[] {
  const known = new Set(inputs.flat());
  if (new Set(output).size !== output.length || output.some((label) => !known.has(label)))
    throw new ShapeError(`einsum: output labels must be distinct and appear on the left, got "${equation}"`);
  return output;
}

/** The size of each label. An axis of size 1 broadcasts, so it takes the size that its label has elsewhere. */
function sizesOf(equation: string, inputs: Equation["inputs"], shapes: readonly Shape[]): Map<string, number> {
  const sizes = new Map<string, number>();
  inputs.forEach((labels, i) => {
    labels.forEach((label, axis) => {
      const size = shapes[i]![axis]!;
      const known = sizes.get(label) ?? 1;
      if (known !== size && known !== 1 && size !== 1)
        throw new ShapeError(
          `einsum: label "${label}" must have one size, got ${known} and ${size} in "${equation}" ` +
            `(${shapes.map(formatShape).join(", ")})`,
        );
      sizes.set(label, known === 1 ? size : known);
    });
  });
  return sizes;
}

/**
 * The operand without repeated labels and without broadcast axes. A repeated label becomes a diagonal. An axis of size 1 is dropped if its
 * label is longer elsewhere, because `contract` repeats an operand along every label that the operand lacks.
 */
function simplify({ tensor, labels }: Labelled, sizes: ReadonlyMap<string, number>): Labelled {
  let current: Labelled = { tensor, labels };
  const repeated = labels.find((label, axis) => labels.indexOf(label) !== axis);
  if (repeated !== undefined) {
    const axes = labels.flatMap((label, axis) => (label === repeated ? [axis] : []));
    current = simplify({ tensor: diagonal(tensor, axes), labels: [...labels.filter((label) => label !== repeated), repeated] }, sizes);
  }
  const broadcasts = current.labels.map((label, axis) => current.tensor.shape[axis] === 1 && sizes.get(label) !== 1);
  if (!broadcasts.some(Boolean)) return current;
  return {
    tensor: reshape(
      current.tensor,
      current.tensor.shape.filter((_, axis) => !broadcasts[axis]),
    ),
    labels: current.labels.filter((_, axis) => !broadcasts[axis]),
  };
}

/** The labels that `simplify` leaves of a term. */
const simplifiedLabels = (labels: readonly string[], shape: Shape, sizes: ReadonlyMap<string, number>): string[] =>
  labels.filter((label, axis) => labels.indexOf(label) === axis && (shape[axis] !== 1 || sizes.get(label) === 1));

/** The operand summed over every label that is not in `needed`. */
function sumUnneeded({ tensor, labels }: Labelled, needed: ReadonlySet<string>): Labelled {
  const axes = labels.flatMap((label, axis) => (needed.has(label) ? [] : [axis]));
  return axes.length === 0 ? { tensor, labels } : { tensor: sum(tensor, { axes }), labels: labels.filter((label) => needed.has(label)) };
}

/**
 * The operand as a batch of matrices [batch, first, second], for three groups of its labels. If its axes already lie in the order [batch,
 * second, first], it stays so and `swapped` is true, because matmul transposes without a copy.
 */
function asMatrices(
  x: Labelled,
  sizes: ReadonlyMap<string, number>,
  groups: readonly [string[], string[], string[]],
): { matrix: Tensor; swapped: boolean } {
  const [batch, first, second] = groups;
  const order = [...batch, ...first, ...second].map((label) => x.labels.indexOf(label));
  const swappedOrder = [...batch, ...second, ...first].map((label) => x.labels.indexOf(label));
  const swapped = swappedOrder.every((axis, i) => axis === i) && !order.every((axis, i) => axis === i);
  const [rows, columns] = swapped ? [second, first] : [first, second];
  return {
    matrix: reshape(
      permute(x.tensor, swapped ? swappedOrder : order),
      [batch, rows, columns].map((labels) => labelledSize(labels, sizes)),
    ),
    swapped,
  };
}

/**
 * The contraction of two operands by one batched matmul. A shared label that is still needed belongs to the batch. A shared label that is
 * no longer needed is the inner axis, which is summed.
 */
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

/** How `einsum` computes an equation. */
export interface EinsumPlan {
  /** The label of each axis of each operand. */
  readonly terms: readonly (readonly string[])[];
  /** The labels of each operand that its contractions see: without those that repeat within the operand, and without broadcast axes. */
  readonly inputs: readonly (readonly string[])[];
  readonly output: readonly string[];
  /** The size of each label. */
  readonly sizes: ReadonlyMap<string, number>;
  /** The contractions in the order in which they are computed. */
  readonly steps: readonly Contraction[];
}

/** The plan of `einsum` for operands of these shapes. @throws ShapeError as `einsum` does. */
export function einsumPlan(equation: string, shapes: readonly Shape[]): EinsumPlan {
  if (shapes.length === 0) throw new ShapeError(`einsum: needs at least one operand, got none for "${equation}"`);
  const parsed = parse(equation, shapes);
  const sizes = sizesOf(equation, parsed.inputs, shapes);
  const inputs = parsed.inputs.map((labels, i) => simplifiedLabels(labels, shapes[i]!, sizes));
  return { terms: parsed.inputs, inputs, output: parsed.output, sizes, steps: contractionOrder(inputs, parsed.output, sizes) };
}

/**
 * y[output] = Σ Π_i operands[i][labels_i], where Σ runs over all labels that are not in the output: `einsum("bij,bjk->bik", a, b)`.
 *
 * The rules are NumPy's. A label that is repeated within a term takes the diagonal. `...` stands for axes without labels, which broadcast
 * and stay in the output, so an output needs `...` too. Without "->", the output has the labels that appear once, in alphabetical order.
 * `einsumMultiplyAdds` is the cost.
 * @throws ShapeError when the equation and the operands do not fit together.
 */
export function einsum(equation: string, ...operands: readonly Tensor[]): Tensor {
  if (operands.length > 0) checkFloating("einsum", ...operands);
  const plan = einsumPlan(
    equation,
    operands.map(({ shape }) => shape),
  );
  const { output, sizes } = plan;
  let terms: readonly Labelled[] = operands.map((tensor, i) => simplify({ tensor, labels: plan.terms[i]! }, sizes));
  for (const { a, b } of plan.steps) {
    const [left, right] = [terms[a]!, terms[b]!];
    const rest = terms.filter((_, i) => i !== a && i !== b);
    const needed = new Set([...output, ...rest.flatMap(({ labels }) => labels)]);
    terms = [...rest, contract(left, right, needed, sizes)];
  }
  const result = sumUnneeded(terms[0]!, new Set(output));
  return permute(
    result.tensor,
    output.map((label) => result.labels.indexOf(label)),
  );
}

/** The multiply-adds of `einsum` with these operands: the sum of the costs of its contractions. @throws ShapeError as `einsum` does. */
export const einsumMultiplyAdds = (equation: string, ...operands: readonly Tensor[]): number =>
  einsumPlan(
    equation,
    operands.map(({ shape }) => shape),
  ).steps.reduce((total, step) => total + step.multiplyAdds, 0);
