/** Elementwise kernels, and how a broadcast becomes rows. */

import { sizeOf } from "../../../core/shape.ts";
import type { BinaryOp, Broadcast, Kernels, UnaryOp } from "../../kernels.ts";
import type { Acceptances } from "../../overlay.ts";
import * as binaryCodeNames from "../shared/binary-codes.ts";
import { chunkElements, maximumRank } from "../shared/sizes.ts";
import * as unaryCodeNames from "../shared/unary-codes.ts";
import { writeAxisLists } from "./axis-lists.ts";
import { isFloat32, type Machine, sharedElements } from "./machine.ts";

/** The number by which the kernel knows each op. */
const unaryCodes: Record<UnaryOp, number> = unaryCodeNames;
const binaryCodes: Record<BinaryOp, number> = binaryCodeNames;

type Elementwise = "unary" | "binary" | "accumulate" | "select" | "clamp";

export const elementwiseAcceptances: Acceptances<Elementwise> = {
  unary: { dtypes: ["float32"], accepts: (_, x) => isFloat32(x) },
  binary: {
    dtypes: ["float32"],
    maximumRank,
    accepts: (_, a, b, { shape }) => isFloat32(a) && isFloat32(b) && shape.length <= maximumRank,
  },
  accumulate: { dtypes: ["float32"], accepts: isFloat32 },
  select: { dtypes: ["float32"], accepts: (condition, a, b) => isFloat32(condition) && isFloat32(a) && isFloat32(b) },
  clamp: { dtypes: ["float32"], accepts: isFloat32 },
};

export const elementwiseKernels = ({ kernels, memory, team }: Machine): Pick<Kernels, Elementwise> => {
  /** Computes op(a, b), three addresses, into `out`, which may be the address of an operand that no axis repeats. */
  const combine = (op: BinaryOp, a: number, b: number, out: number, broadcast: Broadcast): void => {
    const { shape, stridesA, stridesB } = broadcast;
    const total = sizeOf(shape);
    if (total === 0) return;
    const { inner, axes } = rowsOf(broadcast, total);
    if (axes.shape.length > 0) writeAxisLists(memory, axes.shape, axes.stridesA, axes.stridesB);
    kernels.binary(
      binaryCodes[op],
      a,
      b,
      out,
      inner,
      sizeOf(axes.shape),
      total,
      Math.max(1, Math.floor(chunkElements / inner)),
      (stridesA.at(-1) ?? 1) !== 0,
      (stridesB.at(-1) ?? 1) !== 0,
      axes.shape.length,
      total > sharedElements,
    );
  };

  return {
    unary(op, x) {
      team.check();
      const source = memory.pointerOf(x);
      const out = memory.allocate("float32", x.length);
      kernels.unary(unaryCodes[op], source, out.pointer, x.length, x.length > sharedElements);
      return out;
    },

    clamp(x, low, high) {
      team.check();
      const source = memory.pointerOf(x);
      const out = memory.allocate("float32", x.length);
      kernels.clamp(source, out.pointer, x.length, low, high, x.length > sharedElements);
      return out;
    },

    select(condition, a, b) {
      team.check();
      const [pc, pa, pb] = [memory.pointerOf(condition), memory.pointerOf(a), memory.pointerOf(b)];
      const out = memory.allocate("float32", a.length);
      kernels.select_(pc, pa, pb, out.pointer, a.length, a.length > sharedElements);
      return out;
    },

    binary(op, a, b, broadcast) {
      team.check();
      const [pa, pb] = [memory.pointerOf(a), memory.pointerOf(b)];
      const out = memory.allocate("float32", sizeOf(broadcast.shape));
      combine(op, pa, pb, out.pointer, broadcast);
      return out;
    },

    accumulate(target, x) {
      team.check();
      const pointer = memory.pointerOf(target);
      combine("add", pointer, memory.pointerOf(x), pointer, { shape: [target.length], stridesA: [1], stridesB: [1] });
    },
  };
};

/** The axes beside a single row. */
const noAxes: Broadcast = { shape: [], stridesA: [], stridesB: [] };

/** Rows of `inner` elements along the last axis, and the other axes. A single long axis is cut into rows of one chunk. */
function rowsOf({ shape, stridesA, stridesB }: Broadcast, total: number): { inner: number; axes: Broadcast } {
  if (shape.length >= 2)
    return {
      inner: shape.at(-1)!,
      axes: { shape: shape.slice(0, -1), stridesA: stridesA.slice(0, -1), stridesB: stridesB.slice(0, -1) },
    };
  if (total <= chunkElements) return { inner: total, axes: noAxes };
  const step = (strides: readonly number[]): number[] => [(strides[0] ?? 1) * chunkElements];
  return {
    inner: chunkElements,
    axes: { shape: [Math.ceil(total / chunkElements)], stridesA: step(stridesA), stridesB: step(stridesB) },
  };
}
