/** The library's plan for an equation and the sizes of its labels. */

import { ShapeError } from "../../../core/errors.ts";
import { type EinsumPlan, einsumPlan } from "../../../ops/einsum.ts";

/** The largest number of operands that the diagram has room for. */
export const mostOperands = 12;

/**
 * The plan of einsum. `...` covers no axes here.
 * @throws ShapeError as `einsum` does, and for more than 12 operands.
 */
export function planOf(equation: string, sizes: ReadonlyMap<string, number>): EinsumPlan {
  const terms = equation.replaceAll(" ", "").split("->")[0]!.split(",");
  if (terms.length > mostOperands)
    throw new ShapeError(`contraction: the diagram has room for ${mostOperands} operands, got ${terms.length}`);
  return einsumPlan(
    equation,
    terms.map((term) => [...term].filter((letter) => sizes.has(letter)).map((label) => sizes.get(label)!)),
  );
}
