/** The axes of a broadcast or a view, written where the kernels read them (assembly/axis-lists.ts). */

import { axisListsAddress, maximumRank } from "../shared/sizes.ts";
import type { ArenaMemory } from "./arena-memory.ts";

/** Writes the sizes, then the strides of each operand, all of at most `maximumRank` axes. */
export function writeAxisLists({ integers }: ArenaMemory, sizes: readonly number[], ...strides: readonly (readonly number[])[]): void {
  const first = axisListsAddress / integers.BYTES_PER_ELEMENT;
  integers.set(sizes, first);
  for (const [operand, list] of strides.entries()) integers.set(list, first + (operand + 1) * maximumRank);
}
