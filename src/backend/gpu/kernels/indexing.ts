/**
 * Choosing by index and its adjoint. Threads cannot add to one element together, so scatterAdd is a gather as well: each element of the result adds
 * up those that go to it. Who they are the host lists once for indices that came from it; after a max pooling they stand in the windows over the element.
 */

import { ShapeError } from "../../../core/errors.ts";
import type { AxisSplit, Kernels } from "../../kernels.ts";
import type { Device } from "../device.ts";
import { type Axis, coordinates, program, smallQuotient } from "../program.ts";
import { windowSizes } from "./pooling.ts";

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

const element: readonly Axis[] = [
  ["o", "outer"],
  ["a", "axis"],
  ["i", "inner"],
];

/** `ends[a]` is where the list of those that go to a ends in `sources`, and that of a + 1 begins. */
const scatterListed = program({
  name: "scatterAdd, listed",
  tensors: ["y", "sources", "ends"],
  integers: ["outer", "axis", "inner", "count"],
  body: `
    ${coordinates(element)}
    const first = a > 0.5 ? ends[a - 1] : 0.0;
    const number = ends[a] - first;
    let total = 0.0;
    for (let k = 0; k < count; k++) {
      if (k >= number) { break; }
      total = total + y[mad(mad(o, count, sources[first + k]), inner, i)];
    }
    return total;`,
});

/** Nothing is known of the indices: every thread reads them all. */
const scatterUnlisted = program({
  name: "scatterAdd, unlisted",
  tensors: ["y", "indices"],
  integers: ["outer", "axis", "inner", "count"],
  body: `
    ${coordinates(element)}
    let total = 0.0;
    for (let j = 0; j < count; j++) {
      if (indices[j] == a) { total = total + y[mad(mad(o, count, j), inner, i)]; }
    }
    return total;`,
});

/** Element a of x:[planes, height, width] gets from the windows over it that name it. */
const scatterWindows = program({
  name: "scatterAdd, windows",
  tensors: ["y", "indices"],
  integers: windowSizes,
  body: `
    ${coordinates([
      ["plane", "planes"],
      ["sy", "height"],
      ["sx", "width"],
    ])}
    let total = 0.0;
    for (let ky = 0; ky < kernelHeight; ky++) {
      const ty = sy + paddingY - ky * dilationY;
      const row = ${smallQuotient("ty", "strideY")};
      if (ty >= 0 && row < outHeight && row * strideY == ty) {
        for (let kx = 0; kx < kernelWidth; kx++) {
          const tx = sx + paddingX - kx * dilationX;
          const column = ${smallQuotient("tx", "strideX")};
          if (tx >= 0 && column < outWidth && column * strideX == tx) {
            if (indices[mad(mad(plane, outHeight, row), outWidth, column)] == this.thread.x) {
              total = total + y[mad(mad(plane, outHeight, row), outWidth, column)];
            }
          }
        }
      }
    }
    return total;`,
});

function checkIndices(op: string, list: Int32Array, bound: number): void {
  for (let j = 0; j < list.length; j++) {
    const index = list[j]!;
    if (index < 0 || index >= bound)
      throw new ShapeError(`${op}: indices must be integers in [0, ${bound}), got ${index} at position ${j}`);
  }
}

/** For each element of an axis the positions whose index it is, in order, one list behind the other. */
function listSources(indices: Int32Array, axis: number): { sources: Int32Array; ends: Int32Array } {
  const ends = new Int32Array(axis);
  for (const index of indices) ends[index]!++;
  for (let a = 1; a < axis; a++) ends[a]! += ends[a - 1]!;
  const next = ends.map((_, a) => (a === 0 ? 0 : ends[a - 1]!));
  const sources = new Int32Array(indices.length);
  for (let j = 0; j < indices.length; j++) sources[next[indices[j]!]!++] = j;
  return { sources, ends };
}

export const indexingKernels = (device: Device): Pick<Kernels, "gather" | "scatterAdd"> => ({
  gather(x, indices, split) {
    const { knowledge } = device.own(indices);
    if (knowledge?.kind === "listed") checkIndices("gather", knowledge.values, split.axis);
    const { outer, axis, inner } = split;
    return device.run(gatherProgram, outer * indices.length * inner, { x, indices, outer, axis, inner, count: indices.length }, x.dtype);
  },

  scatterAdd(y, indices, split) {
    const { outer, axis, inner }: AxisSplit = split;
    const { knowledge } = device.own(indices);
    const sizes = { outer, axis, inner, count: indices.length };
    if (knowledge?.kind === "windows" && outer * inner === 1) {
      const { geometry } = knowledge;
      return device.run(scatterWindows, axis, { y, indices, ...geometry, planes: geometry.batch * geometry.inChannels });
    }
    if (knowledge?.kind !== "listed") return device.run(scatterUnlisted, outer * axis * inner, { y, indices, ...sizes });
    checkIndices("scatterAdd", knowledge.values, axis);
    // Made and sent once for indices that stay, as those of hashed weights do.
    const { sources, ends } = device.tables(indices, `sources along ${axis}`, () => listSources(knowledge.values, axis));
    return device.run(scatterListed, outer * axis * inner, { y, sources, ends, ...sizes });
  },
});
