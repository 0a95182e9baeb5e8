/** How a parameter is a batch of matrices, for optimisers that treat a weight as a linear map. */

import { ShapeError } from "../core/errors.ts";
import { quote } from "../core/quote.ts";
import { formatShape, type Shape, sizeOf } from "../core/shape.ts";

/**
 * The matrices that a weight consists of. `axes` has a letter for each axis of `shape`: `b` counts the matrices, `r` belongs to their rows,
 * which make outputs, and `c` to their columns, which sum over inputs. So the blocks of a block-diagonal weight [g,m,n] are `brc`, and a
 * kernel [O,I,k,k] is one matrix, `rccc`. `shape` is that of the parameter, or one that splits axes of it.
 */
export interface MatrixView {
  readonly shape: Shape;
  readonly axes: string;
}

/** A view with its sizes: `batch` matrices of `rows` × `columns`. */
export interface Matrices {
  readonly shape: Shape;
  /** The axes of `shape` in the order batch, rows, columns. */
  readonly order: readonly number[];
  readonly batch: number;
  readonly rows: number;
  readonly columns: number;
}

/**
 * The matrices of a weight. Without a view, the weight is one matrix whose rows are the first axis. A weight with at most one axis of more
 * than one element is a vector, such as the diagonal [c,1] of ACDC: undefined.
 * @throws ShapeError for a view that does not fit.
 */
export function matricesOf({
  shape: own,
  matrices,
}: {
  readonly shape: Shape;
  readonly matrices?: MatrixView | undefined;
}): Matrices | undefined {
  if (own.filter((size) => size !== 1).length < 2) return undefined;
  const { shape, axes } = matrices ?? { shape: own, axes: "r".padEnd(own.length, "c") };
  if (axes.length !== shape.length || !/^[brc]*$/.test(axes) || sizeOf(shape) !== sizeOf(own))
    throw new ShapeError(
      `matrices: the view must have as many elements as the weight ${formatShape(own)}, and a letter b, r or c for each axis, got the shape ${formatShape(shape)} and the axes ${quote(axes)}`,
    );
  const of = (letter: string): number[] => [...axes].flatMap((each, axis) => (each === letter ? [axis] : []));
  const count = (letter: string): number => sizeOf(of(letter).map((axis) => shape[axis]!));
  return { shape, order: [...of("b"), ...of("r"), ...of("c")], batch: count("b"), rows: count("r"), columns: count("c") };
}

/** The view of a convolution's kernel [O,C/g,…]: a matrix for each group. One group needs no view. */
export const groupedMatrices = ([outputs, ...rest]: Shape, groups: number): MatrixView | undefined =>
  groups === 1 ? undefined : { shape: [groups, outputs! / groups, ...rest], axes: "br".padEnd(2 + rest.length, "c") };

/** The view of a transposed convolution's kernel [C,O/g,…], whose first axis has the inputs: a matrix for each group. */
export const transposedMatrices = ([inputs, ...rest]: Shape, groups: number): MatrixView => ({
  shape: [groups, inputs! / groups, ...rest],
  axes: "bcr".padEnd(2 + rest.length, "r"),
});
