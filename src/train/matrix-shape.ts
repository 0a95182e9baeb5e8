/** A weight as a matrix, for optimisers that treat matrices and vectors differently. */

import type { Shape } from "../core/shape.ts";

/**
 * The rows and columns of a weight as a matrix: the first axis has the rows, and the others together have the columns. A kernel [O,I,k,k]
 * is [O, I·k²]. A weight with one axis of more than one element is a vector, such as the diagonal [c,1] of ACDC: undefined.
 */
export function matrixShape(shape: Shape): readonly [rows: number, columns: number] | undefined {
  if (shape.filter((size) => size !== 1).length < 2) return undefined;
  const [rows, ...rest] = shape as [number, ...number[]];
  return [rows, rest.reduce((product, size) => product * size, 1)];
}
