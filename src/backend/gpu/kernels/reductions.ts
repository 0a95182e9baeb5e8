/**
 * Reductions [outer, axis, inner] → [outer, inner], one thread for each output element. A long axis beside few outputs would leave most of
 * the device idle, so the axis is then split into parts, and the partial results are reduced in turn. A sum of partial sums also has a
 * smaller rounding error.
 */

import type { Storage } from "../../../tensor/storage.ts";
import type { AxisSplit, Kernels, ReduceOp } from "../../kernels.ts";
import type { Device } from "../device.ts";
import { coordinates, flatIndex, isNotANumber, program } from "../program.ts";

/** Part p of an axis takes every `parts`-th element from the p-th on, so that neighbouring threads read neighbouring elements. */
const partialReduction = (initial: string, combine: string): string => `
    ${coordinates([
      ["o", "outer"],
      ["p", "parts"],
      ["i", "inner"],
    ])}
    let total = ${initial};
    for (let k = 0; k < steps; k++) {
      const at = k * parts + p;
      if (at < axis) {
        const v = x[${flatIndex([
          ["o", "outer"],
          ["at", "axis"],
          ["i", "inner"],
        ])}];
        ${combine}
      }
    }
    return total;`;

const integers = ["outer", "axis", "inner", "parts", "steps"] as const;

const reductionPrograms = {
  sum: program({ name: "reduce sum", tensors: ["x"], integers, body: partialReduction("0.0", "total = total + v;") }),
  max: program({
    name: "reduce max",
    tensors: ["x"],
    integers,
    body: partialReduction(
      // The first element of the part exists, because an empty axis never gets here.
      `x[${flatIndex([
        ["o", "outer"],
        ["p", "axis"],
        ["i", "inner"],
      ])}]`,
      // max(0, −0) is 0, which is also their sum.
      `if (v == 0.0 && total == 0.0) { total = total + v; }
        if (v > total || ${isNotANumber("v")}) { total = v; }`,
    ),
  }),
} satisfies Record<ReduceOp, unknown>;

/** A sum of fewer terms is not worth a launch of its own. */
const minimumTerms = 256;

/** The number of threads that keep a device busy. */
const busyThreads = 8192;

interface Split {
  /** The number of reductions. */
  readonly outputs: number;
  /** The number of elements that each reduces. */
  readonly terms: number;
  /** The number of threads that the split aims at. */
  readonly threads: number;
}

/** The number of parts to split each reduction into; 1 leaves it whole. */
export function partsOf({ outputs, terms, threads }: Split): number {
  if (outputs === 0 || outputs >= threads || terms < 2 * minimumTerms) return 1;
  return Math.min(Math.ceil(terms / minimumTerms), Math.ceil(threads / outputs));
}

/** Sums or maxima along the axis, in one launch, or in several where the axis is split. */
function reduceAxis(device: Device, op: ReduceOp, x: Storage, { outer, axis, inner }: AxisSplit): Storage {
  const parts = partsOf({ outputs: outer * inner, terms: axis, threads: busyThreads });
  const sizes = { outer, axis, inner, parts, steps: Math.ceil(axis / parts) };
  const partials = device.run(reductionPrograms[op], outer * parts * inner, { x, ...sizes }, x.dtype);
  if (parts === 1) return partials;
  const result = reduceAxis(device, op, partials, { outer, axis: parts, inner });
  partials.release();
  return result;
}

/** [parts, …] → […]: the sum of partial sums, which are released. */
export function sumPartials(device: Device, partials: Storage, parts: number): Storage {
  if (parts === 1) return partials;
  const total = reduceAxis(device, "sum", partials, { outer: 1, axis: parts, inner: partials.length / parts });
  partials.release();
  return total;
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
    let index = 0;
    let best = x[mad(mad(o, axis, 0), inner, i)];
    for (let k = 1; k < axis; k++) {
      const v = x[mad(mad(o, axis, k), inner, i)];
      if (v > best || (${isNotANumber("v")} && !${isNotANumber("best")})) {
        best = v;
        index = k;
      }
    }
    return index;`,
});

export const reductionKernels = (device: Device): Pick<Kernels, "reduce" | "argmax"> => ({
  reduce: (op, x, split) => (split.axis === 0 ? emptyReduction(device, op, x, split) : reduceAxis(device, op, x, split)),

  argmax: (x, { outer, axis, inner }) => device.run(argmaxProgram, outer * inner, { x, outer, axis, inner }, "int32"),
});

/** The reduction of no elements is the neutral element of the op. */
function emptyReduction(device: Device, op: ReduceOp, x: Storage, { outer, inner }: AxisSplit): Storage {
  device.own(x);
  return device.upload(x.dtype, new Float32Array(outer * inner).fill(op === "sum" ? 0 : -Infinity));
}
