/** Elementwise kernels: which ops run on vectors, and how a broadcast becomes rows. */

import type { BinaryOp, Kernels, UnaryOp } from "../../kernels.ts";
import { allFloat32, type Machine, sharedElements } from "./machine.ts";

/** In the order of the cases in assembly/elementwise.ts. The others (erf, sin, cos) are the reference's loops. */
const unaryOps: readonly UnaryOp[] = [
  ...(["negate", "absolute", "sign", "reciprocal", "exp", "log", "sqrt", "reciprocalSqrt"] as const),
  ...(["tanh", "sigmoid", "relu", "step", "floor", "not"] as const),
];

/** In the order of the cases in assembly/broadcast.ts. The other (power) is the reference's loop. */
const binaryOps: readonly BinaryOp[] = [
  ...(["add", "subtract", "multiply", "divide", "maximum", "minimum"] as const),
  ...(["equal", "notEqual", "less", "lessEqual", "greater", "greaterEqual", "reluGradient"] as const),
];

const chunkElements = 16384;
const maximumRank = 8;

type Elementwise = "unary" | "binary" | "select" | "clamp";

export function elementwiseKernels({ kernels, memory, team }: Machine, reference: Pick<Kernels, Elementwise>): Pick<Kernels, Elementwise> {
  return {
    unary(op, x) {
      const code = unaryOps.indexOf(op);
      if (!allFloat32(x) || code < 0) return reference.unary(op, x);
      team.check();
      const source = memory.pointerOf(x);
      const out = memory.allocate("float32", x.length);
      kernels.unary(code, source, out.pointer, x.length, x.length > sharedElements);
      return out;
    },

    clamp(x, low, high) {
      if (!allFloat32(x)) return reference.clamp(x, low, high);
      team.check();
      const source = memory.pointerOf(x);
      const out = memory.allocate("float32", x.length);
      kernels.clamp(source, out.pointer, x.length, low, high, x.length > sharedElements);
      return out;
    },

    select(condition, a, b) {
      if (!allFloat32(condition, a, b)) return reference.select(condition, a, b);
      team.check();
      const [pc, pa, pb] = [memory.pointerOf(condition), memory.pointerOf(a), memory.pointerOf(b)];
      const out = memory.allocate("float32", a.length);
      kernels.select_(pc, pa, pb, out.pointer, a.length, a.length > sharedElements);
      return out;
    },

    binary(op, a, b, broadcast) {
      const code = binaryOps.indexOf(op);
      const { shape, stridesA, stridesB } = broadcast;
      if (!allFloat32(a, b) || code < 0 || shape.length > maximumRank) return reference.binary(op, a, b, broadcast);
      team.check();
      const [pa, pb] = [memory.pointerOf(a), memory.pointerOf(b)];
      const total = shape.reduce((product, size) => product * size, 1);
      const out = memory.allocate("float32", total);
      if (total === 0) return out;
      const axes = rowsOf(broadcast, total);
      new Int32Array(memory.wasm.buffer, kernels.broadcastAxes(), 3 * maximumRank).set([
        ...[axes.sizes, axes.stridesA, axes.stridesB].flatMap((list) => [...list, ...new Array<number>(maximumRank - list.length).fill(0)]),
      ]);
      const rows = axes.sizes.reduce((product, size) => product * size, 1);
      const rowsPerChunk = Math.max(1, Math.floor(chunkElements / axes.inner));
      const runsA = (stridesA.at(-1) ?? 1) !== 0;
      const runsB = (stridesB.at(-1) ?? 1) !== 0;
      kernels.binary(
        code,
        pa,
        pb,
        out.pointer,
        axes.inner,
        rows,
        total,
        rowsPerChunk,
        runsA,
        runsB,
        axes.sizes.length,
        total > sharedElements,
      );
      return out;
    },
  };
}

/** The inner axis as a row, the others as outer axes; a single long axis is cut into rows of one chunk. */
function rowsOf(
  { shape, stridesA, stridesB }: Parameters<Kernels["binary"]>[3],
  total: number,
): { inner: number; sizes: readonly number[]; stridesA: readonly number[]; stridesB: readonly number[] } {
  if (shape.length >= 2)
    return { inner: shape.at(-1)!, sizes: shape.slice(0, -1), stridesA: stridesA.slice(0, -1), stridesB: stridesB.slice(0, -1) };
  const step = (strides: readonly number[]): number[] => [(strides[0] ?? 1) * chunkElements];
  return {
    inner: Math.min(total, chunkElements),
    sizes: [Math.ceil(total / chunkElements)],
    stridesA: step(stridesA),
    stridesB: step(stridesB),
  };
}
