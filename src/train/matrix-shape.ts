/** A weight as a matrix, for optimisers that treat matrices and vectors differently. */

import type { Shape } from "../core/shape.ts";

/**
 * The rows and columns of a weight as a matrix: axes of one element are left out, the first axis that remains has the rows, and the others
 * together have the columns. A kernel [O,I,k,k] is [O, I·k²]. A core [1,d,r] is [d,r]. The diagonal [c,1] of ACDC is a vector: undefined.
 */
export function matrixShape(shape: Shape): readonly [rows: number, columns: number] | undefined {
  const [rows, ...rest] = shape.filter((size) => size !== 1);
  return rows === undefined || rest.length === 0 ? undefined : [rows, rest.reduce((product, size) => product * size, 1)];
}
