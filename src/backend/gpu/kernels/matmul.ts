/**
 * C = A·B, one thread for each element of C, or for four neighbours that share A's row. Strides say where a transposed operand stands, so one
 * program serves all four forms. Shading languages of gpu.js have no memory shared between threads, so blocking is in registers only.
 */

import type { Kernels, MatmulGeometry } from "../../kernels.ts";
import type { Device } from "../device.ts";
import { type Axis, coordinates, program } from "../program.ts";
import { reduceOnDevice } from "./reductions.ts";

const integers = ["batch", "m", "n", "pieces", "step", "k", "strideA", "rowA", "columnA", "strideB", "rowB", "columnB"] as const;

/** C as pieces of the sum over k, each its own [batch, m, n]. */
const axes = (columns: string): Axis[] => [
  ["p", "pieces"],
  ["b", "batch"],
  ["i", "m"],
  ["j", columns],
];

const single = program({
  name: "matmul",
  tensors: ["A", "B"],
  integers,
  body: `
    ${coordinates(axes("n"))}
    const first = p * step;
    let total = 0.0;
    for (let s = 0; s < step; s++) {
      const l = first + s;
      if (l < k) { total = total + A[mad(b, strideA, mad(i, rowA, mad(l, columnA, 0)))] * B[mad(b, strideB, mad(l, rowB, mad(j, columnB, 0)))]; }
    }
    return total;`,
});

const quad = program({
  name: "matmul, four columns a thread",
  tensors: ["A", "B"],
  integers: [...integers, "quads"],
  lanes: 4,
  body: `
    ${coordinates(axes("quads"))}
    const first = p * step;
    let c0 = 0.0;
    let c1 = 0.0;
    let c2 = 0.0;
    let c3 = 0.0;
    for (let s = 0; s < step; s++) {
      const l = first + s;
      if (l < k) {
        const a = A[mad(b, strideA, mad(i, rowA, mad(l, columnA, 0)))];
        c0 = c0 + a * B[mad(b, strideB, mad(l, rowB, mad(j * 4, columnB, 0)))];
        c1 = c1 + a * B[mad(b, strideB, mad(l, rowB, mad(j * 4 + 1, columnB, 0)))];
        c2 = c2 + a * B[mad(b, strideB, mad(l, rowB, mad(j * 4 + 2, columnB, 0)))];
        c3 = c3 + a * B[mad(b, strideB, mad(l, rowB, mad(j * 4 + 3, columnB, 0)))];
      }
    }
    return [c0, c1, c2, c3];`,
});

/** Threads that keep a device busy, and the shortest sum worth cutting. */
const busy = 4096;
const shortest = 256;

/** Into how many pieces the sum over k is cut when C is too small to occupy the device. */
export function sumPieces({ batch, m, n, k }: Pick<MatmulGeometry, "batch" | "m" | "n" | "k">): number {
  const elements = batch * m * n;
  if (elements === 0 || elements >= busy || k < 2 * shortest) return 1;
  return Math.min(Math.ceil(k / shortest), Math.ceil(busy / elements));
}

export const matmulKernels = (device: Device): Pick<Kernels, "matmul"> => ({
  matmul(A, B, geometry) {
    const { batch, m, n, k, transposeA, transposeB, batchStrideA: strideA, batchStrideB: strideB } = geometry;
    const pieces = sumPieces(geometry);
    const strides = {
      ...{ strideA, rowA: transposeA ? 1 : k, columnA: transposeA ? m : 1 },
      ...{ strideB, rowB: transposeB ? 1 : n, columnB: transposeB ? k : 1 },
    };
    const numbers = { batch, m, n, pieces, step: Math.ceil(k / pieces), k, ...strides };
    const length = pieces * batch * m * n;
    const partial =
      device.mode.fourLanes && n % 4 === 0
        ? device.run(quad, length, { A, B, ...numbers, quads: n / 4 })
        : device.run(single, length, { A, B, ...numbers });
    if (pieces === 1) return partial;
    const product = reduceOnDevice(device, "sum", partial, { outer: 1, axis: pieces, inner: batch * m * n });
    partial.release();
    return product;
  },
});
