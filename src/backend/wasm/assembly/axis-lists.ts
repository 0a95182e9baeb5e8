/**
 * The outer axes of a broadcast or a view, in lists that the host writes: the sizes first, then the strides of each operand in elements,
 * outermost axis first.
 */

import { axisListsAddress, maximumRank } from "../shared/sizes";

/** The list `index`: 0 is the list of sizes, 1 the strides of the first operand, 2 those of the second. */
@inline
function list(index: i32): usize {
  return axisListsAddress + ((<usize>(index * maximumRank)) << 2);
}

/** Distance in bytes of row `row` from the first one, in the operand whose strides are in list `operand`. Strides may be negative. */
@inline
export function axisOffset(row: i32, rank: i32, operand: i32): usize {
  let offset = 0;
  for (let axis = rank - 1; axis >= 0; axis--) {
    const size = load<i32>(list(0) + ((<usize>axis) << 2));
    offset += (row % size) * load<i32>(list(operand) + ((<usize>axis) << 2));
    row /= size;
  }
  return (<usize>offset) << 2;
}
