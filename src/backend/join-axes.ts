/** Joining neighbouring axes, so that operands are walked through in as few axes as possible. */

import type { View } from "./kernels.ts";

/** A shape, and for each operand the strides with which it is walked through. */
export interface StridedAxes {
  readonly shape: number[];
  readonly strides: number[][];
}

/**
 * The same walk in fewer, longer axes: axes of size 1 are left out, and two neighbouring axes become one where every operand passes through
 * both with one stride (the outer stride is the inner stride times the inner size).
 */
export function joinAxes(shape: readonly number[], ...strides: readonly (readonly number[])[]): StridedAxes {
  const joined: StridedAxes = { shape: [], strides: strides.map(() => []) };
  let last = -1;
  // Plain loops: every binary op passes through here.
  for (let axis = 0; axis < shape.length; axis++) {
    const size = shape[axis]!;
    if (size === 1) continue;
    let joins = last >= 0;
    for (let operand = 0; joins && operand < strides.length; operand++)
      joins = joined.strides[operand]![last] === strides[operand]![axis]! * size;
    if (joins) joined.shape[last]! *= size;
    else joined.shape[++last] = size;
    for (let operand = 0; operand < strides.length; operand++) joined.strides[operand]![last] = strides[operand]![axis]!;
  }
  return joined;
}

/** A view of the same elements in the same order, its axes joined. */
export function joinViewAxes({ shape, strides, offset }: View): View {
  const joined = joinAxes(shape, strides);
  return { shape: joined.shape, strides: joined.strides[0]!, offset };
}
