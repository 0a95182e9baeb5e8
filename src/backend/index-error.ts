/** The error of every backend for an index outside an axis. */

import { ShapeError } from "../core/errors.ts";

/** `index` stands at `position` of the indices of `op`, and is no integer in [0, bound). */
export const indexError = (op: string, bound: number, index: number, position: number): ShapeError =>
  new ShapeError(`${op}: indices must be integers in [0, ${bound}), got ${index} at position ${position}`);
