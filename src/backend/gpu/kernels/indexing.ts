/**
 * gather and its adjoint scatterAdd. Threads cannot add to one element at the same time, so scatterAdd is a gather too: each element of the
 * result adds up the elements that belong to it. For indices from the host, the host lists these elements once. For indices of a max
 * pooling, they are among the windows over the element.
 */

import { indexError } from "../../index-error.ts";
import type { Kernels } from "../../kernels.ts";
import type { Device } from "../device.ts";
import { type Axis, coordinates, program } from "../program.ts";
import { poolingIntegers } from "./pooling.ts";
import { forEachWindowOver } from "./windows.ts";

const gatherProgram = program({
  name: "gather",
  tensors: ["x", "indices"],
  integers: ["outer", "axis", "inner", "count"],
  body: `
    ${coordinates([
      ["o", "outer"],
      ["j", "count"],
      ["i", "inner"],
    ])}
    return x[mad(mad(o, axis, indices[j]), inner, i)];`,
});

const resultAxes: readonly Axis[] = [
  ["o", "outer"],
  ["a", "axis"],
  ["i", "inner"],
];

/** `positions` lists where each index a stands in `indices`: those of a begin at ends[a − 1] and end before ends[a]. */
const scatterListed = program({
  name: "scatterAdd, positions listed",
  tensors: ["y", "positions", "ends"],
  integers: ["outer", "axis", "inner", "count"],
  body: `
    ${coordinates(resultAxes)}
    const first = a > 0.5 ? ends[a - 1] : 0.0;
    const number = ends[a] - first;
    let total = 0.0;
    for (let k = 0; k < count; k++) {
      if (k >= number) { break; }
      total = total + y[mad(mad(o, count, positions[first + k]), inner, i)];
    }
    return total;`,
});

/** Where nothing is known of the indices, every thread reads them all. */
const scatterSearching = program({
  name: "scatterAdd, indices searched",
  tensors: ["y", "indices"],
  integers: ["outer", "axis", "inner", "count"],
  body: `
    ${coordinates(resultAxes)}
    let total = 0.0;
    for (let j = 0; j < count; j++) {
      if (indices[j] == a) { total = total + y[mad(mad(o, count, j), inner, i)]; }
    }
    return total;`,
});

/**
 * Each element of x:[planes, height, width] adds up `values` of the windows that cover it and have its index. The place of a window is a
 * variable, because gpu.js moves nested calls out of a condition and then declares the condition as a float, which GLSL refuses.
 */
const scatterWindows = program({
  name: "scatterAdd, windows searched",
  tensors: ["values", "indices"],
  integers: poolingIntegers,
  body: `
    ${coordinates([
      ["plane", "planes"],
      ["sy", "height"],
      ["sx", "width"],
    ])}
    let total = 0.0;
    ${forEachWindowOver(`
            const at = mad(mad(plane, outHeight, y), outWidth, x);
            if (indices[at] == this.thread.x) { total = total + values[at]; }`)}
    return total;`,
});

function checkIndices(op: string, indices: Int32Array, bound: number): void {
  for (let j = 0; j < indices.length; j++) {
    const index = indices[j]!;
    if (index < 0 || index >= bound) throw indexError(op, bound, index, j);
  }
}

/** The positions of each index of an axis, in rising order, one list after the other, and where each list ends. */
function listPositions(indices: Int32Array, axis: number): { positions: Int32Array; ends: Int32Array } {
  const ends = new Int32Array(axis);
  for (const index of indices) ends[index]!++;
  for (let a = 1; a < axis; a++) ends[a]! += ends[a - 1]!;
  const next = ends.map((_, a) => (a === 0 ? 0 : ends[a - 1]!));
  const positions = new Int32Array(indices.length);
  for (let j = 0; j < indices.length; j++) positions[next[indices[j]!]!++] = j;
  return { positions, ends };
}

export const indexingKernels = (device: Device): Pick<Kernels, "gather" | "scatterAdd"> => ({
  gather(x, indices, { outer, axis, inner }) {
    const { indexSource } = device.own(indices);
    if (indexSource?.kind === "host") checkIndices("gather", indexSource.values, axis);
    const count = indices.length;
    return device.run(gatherProgram, outer * count * inner, { x, indices, outer, axis, inner, count }, x.dtype);
  },

  scatterAdd(y, indices, { outer, axis, inner }) {
    const { indexSource } = device.own(indices);
    const length = outer * axis * inner;
    const sizes = { outer, axis, inner, count: indices.length };
    if (indexSource?.kind === "max-pool" && outer * inner === 1) {
      const { geometry } = indexSource;
      return device.run(scatterWindows, axis, { values: y, indices, ...geometry, planes: geometry.batch * geometry.inChannels });
    }
    if (indexSource?.kind !== "host") return device.run(scatterSearching, length, { y, indices, ...sizes });
    checkIndices("scatterAdd", indexSource.values, axis);
    // Indices that stay the same, such as those of hashed weights, are listed and uploaded once.
    const { positions, ends } = device.tablesOf(indices, `positions along ${axis}`, () => listPositions(indexSource.values, axis));
    return device.run(scatterListed, length, { y, positions, ends, ...sizes });
  },
});
