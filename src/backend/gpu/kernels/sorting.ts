/**
 * Sorting along an axis. Each thread counts the elements of its line that come before its own: this number is the rank of its element. A
 * second launch turns ranks into an order, by a search for each rank. An axis of n elements takes n steps in each thread, so this is meant
 * for axes of some thousand elements.
 */

import type { Kernels } from "../../kernels.ts";
import type { Device } from "../device.ts";
import { type Axis, coordinates, flatIndex, isNotANumber, program } from "../program.ts";

const integers = ["outer", "axis", "inner"] as const;

/** The axes of the operand, with another name for the coordinate along the sorted axis. */
const axesWith = (along: string): [Axis, Axis, Axis] => [
  ["o", "outer"],
  [along, "axis"],
  ["i", "inner"],
];

/** `sign` is 1 for the rising order and −1 for the falling one. Equal elements keep their order. NaN counts as the largest. */
const ranks = program({
  name: "argsort: ranks",
  tensors: ["x"],
  integers,
  floats: ["sign"],
  body: `
    ${coordinates(axesWith("a"))}
    const u = x[${flatIndex(axesWith("a"))}];
    const last = ${isNotANumber("u")} ? 1.0 : 0.0;
    let rank = 0;
    for (let k = 0; k < axis; k++) {
      const v = x[${flatIndex(axesWith("k"))}];
      let order = 0.0;
      if (v < u) { order = -1.0; }
      if (v > u) { order = 1.0; }
      if (${isNotANumber("v")}) { order = 1.0 - last; }
      if (last > 0.5 && !${isNotANumber("v")}) { order = -1.0; }
      if (order * sign < 0.0 || (order == 0.0 && k < a)) { rank = rank + 1; }
    }
    return rank;`,
});

const orderOfRanks = program({
  name: "argsort: order",
  tensors: ["rank"],
  integers,
  body: `
    ${coordinates(axesWith("a"))}
    let found = 0;
    for (let k = 0; k < axis; k++) {
      const place = rank[${flatIndex(axesWith("k"))}];
      if (place == a) { found = found + k; }
    }
    return found;`,
});

const take = program({
  name: "takeAlongAxis",
  tensors: ["x", "indices"],
  integers,
  body: `
    ${coordinates(axesWith("a"))}
    const k = indices[${flatIndex(axesWith("a"))}];
    return x[${flatIndex(axesWith("k"))}];`,
});

export const sortingKernels = (device: Device): Pick<Kernels, "argsort" | "takeAlongAxis"> => ({
  argsort(x, descending, split) {
    const rank = device.run(ranks, x.length, { x, ...split, sign: descending ? -1 : 1 }, "int32");
    const order = device.run(orderOfRanks, x.length, { rank, ...split }, "int32");
    rank.release();
    return order;
  },

  takeAlongAxis: (x, indices, split) => device.run(take, x.length, { x, indices, ...split }, x.dtype),
});
