/**
 * [outer, axis, inner] → [outer, inner], one thread for each line. A long line beside few others would leave most of the device idle, so it
 * is cut into pieces first and the pieces' results are reduced in turn. Sums of pieces also round less.
 */

import type { Storage } from "../../../tensor/storage.ts";
import type { AxisSplit, Kernels, ReduceOp } from "../../kernels.ts";
import type { Device } from "../device.ts";
import { coordinates, isNotANumber, place, program } from "../program.ts";

/** Threads that keep a device busy, and the shortest line worth cutting. */
const busy = 8192;
const shortest = 256;

/** Piece p of a line takes every `pieces`-th element: neighbouring threads read neighbouring elements. */
const pieces = (start: string, fold: string): string => `
    ${coordinates([
      ["o", "outer"],
      ["p", "pieces"],
      ["i", "inner"],
    ])}
    let total = ${start};
    for (let k = 0; k < steps; k++) {
      const at = k * pieces + p;
      if (at < axis) {
        const v = x[${place([
          ["o", "outer"],
          ["at", "axis"],
          ["i", "inner"],
        ])}];
        ${fold}
      }
    }
    return total;`;

const integers = ["outer", "axis", "inner", "pieces", "steps"] as const;

const reduceProgram = {
  sum: program({ name: "reduce sum", tensors: ["x"], integers, body: pieces("0.0", "total = total + v;") }),
  // Every line has its first element: an empty one is not reduced.
  max: program({
    name: "reduce max",
    tensors: ["x"],
    integers,
    body: pieces(
      `x[${place([
        ["o", "outer"],
        ["p", "axis"],
        ["i", "inner"],
      ])}]`,
      // Of zeros the positive one is the larger: 0 + −0 is 0.
      `if (v == 0.0 && total == 0.0) { total = total + v; }
        if (v > total || ${isNotANumber("v")}) { total = v; }`,
    ),
  }),
} satisfies Record<ReduceOp, unknown>;

/** Into how many pieces a line is cut; 1 leaves it whole. */
export function piecesOf({ outer, axis, inner }: AxisSplit): number {
  const lines = outer * inner;
  if (lines >= busy || axis < 2 * shortest) return 1;
  return Math.min(Math.ceil(axis / shortest), Math.ceil(busy / lines));
}

/** Sums or maxima along the axis, in as many launches as pay. */
export function reduceOnDevice(device: Device, op: ReduceOp, x: Storage, split: AxisSplit): Storage {
  const { outer, axis, inner } = split;
  const count = piecesOf(split);
  const numbers = { outer, axis, inner, pieces: count, steps: Math.ceil(axis / count) };
  const partial = device.run(reduceProgram[op], outer * count * inner, { x, ...numbers }, x.dtype);
  if (count === 1) return partial;
  const result = reduceOnDevice(device, op, partial, { outer, axis: count, inner });
  partial.release();
  return result;
}

const argmaxProgram = program({
  name: "argmax",
  tensors: ["x"],
  integers: ["outer", "axis", "inner"],
  body: `
    ${coordinates([
      ["o", "outer"],
      ["i", "inner"],
    ])}
    let best = 0;
    let top = x[mad(mad(o, axis, 0), inner, i)];
    for (let k = 1; k < axis; k++) {
      const v = x[mad(mad(o, axis, k), inner, i)];
      if (v > top || (${isNotANumber("v")} && !${isNotANumber("top")})) {
        top = v;
        best = k;
      }
    }
    return best;`,
});

export const reductionKernels = (device: Device): Pick<Kernels, "reduce" | "argmax"> => ({
  reduce(op, x, split) {
    // Of nothing there is the neutral element.
    if (split.axis === 0) return emptyReduction(device, op, x, split);
    return reduceOnDevice(device, op, x, split);
  },

  argmax: (x, { outer, axis, inner }) => device.run(argmaxProgram, outer * inner, { x, outer, axis, inner }, "int32"),
});

function emptyReduction(device: Device, op: ReduceOp, x: Storage, { outer, inner }: AxisSplit): Storage {
  device.own(x);
  return device.upload(x.dtype, new Float32Array(outer * inner).fill(op === "sum" ? 0 : -Infinity));
}
