/**
 * C = A·B, one thread for each element of C, or for four neighbours in a row of C. Strides describe the operands, so one program serves all
 * four combinations of transposed operands. gpu.js gives threads no shared memory, so a thread keeps its block of C in registers.
 */

import type { Kernels, MatmulGeometry } from "../../kernels.ts";
import type { Device } from "../device.ts";
import { type Axis, coordinates, isPlane, program, threadCoordinates } from "../program.ts";
import { partsOf, sumPartials } from "./reductions.ts";

const integers = ["batch", "m", "n", "parts", "step", "k", "strideA", "rowA", "columnA", "strideB", "rowB", "columnB"] as const;

/** The rows of the partial sums over k, [parts, batch, m, n], as a thread's coordinates. */
const rows: Axis[] = [
  ["p", "parts"],
  ["b", "batch"],
  ["i", "m"],
];

const oneColumn = program({
  name: "matmul",
  tensors: ["A", "B"],
  integers,
  body: `
    ${coordinates([...rows, ["j", "n"]])}
    const first = p * step;
    let total = 0.0;
    for (let s = 0; s < step; s++) {
      const l = first + s;
      if (l < k) {
        total = total + A[mad(b, strideA, mad(i, rowA, mad(l, columnA, 0)))] * B[mad(b, strideB, mad(l, rowB, mad(j, columnB, 0)))];
      }
    }
    return total;`,
});

/** Four neighbours in a row of C for each thread. As a plane, a workgroup computes 8 rows of 32 results, which share what they load. */
const fourColumns = (plane: boolean) =>
  program({
    name: `matmul, four columns per thread${plane ? ", in a plane" : ""}`,
    tensors: ["A", "B"],
    integers: [...integers, "quads"],
    lanes: 4,
    rowLength: plane ? "quads" : undefined,
    body: `
    ${threadCoordinates(plane, rows, [["j", "quads"]])}
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
const fourColumnsInLine = fourColumns(false);
const fourColumnsInPlane = fourColumns(true);

/** The elements of Ā, and then those of B̄, one for each thread: Ā = g·Bᵀ and B̄ = Aᵀ·g, stored as A and B are. */
const bothGradients = program({
  name: "matmul: both gradients",
  tensors: ["A", "B", "g"],
  integers: [
    ...["batch", "m", "n", "k", "countA", "outerA", "innerA", "outerB", "innerB", "transposeA", "transposeB"],
    ...["strideA", "rowA", "columnA", "strideB", "rowB", "columnB"],
  ],
  body: `
    let total = 0.0;
    if (this.thread.x < countA) {
      ${coordinates([
        ["a", "batch"],
        ["outer", "outerA"],
        ["inner", "innerA"],
      ])}
      const i = transposeA > 0 ? inner : outer;
      const l = transposeA > 0 ? outer : inner;
      for (let j = 0; j < n; j++) {
        total = total + g[mad(mad(a, m, i), n, j)] * B[mad(a, strideB, mad(l, rowB, mad(j, columnB, 0)))];
      }
      return total;
    }
    ${coordinates(
      [
        ["b", "batch"],
        ["first", "outerB"],
        ["second", "innerB"],
      ],
      "(this.thread.x - countA)",
    )}
    const row = transposeB > 0 ? second : first;
    const column = transposeB > 0 ? first : second;
    for (let s = 0; s < m; s++) {
      total = total + A[mad(b, strideA, mad(s, rowA, mad(row, columnA, 0)))] * g[mad(mad(b, m, s), n, column)];
    }
    return total;`,
});

/** Both gradients are computed at once where they are at most so many elements, with sums of at most so many terms. */
const together = { elements: 32768, terms: 512 };

/** The number of threads that keep a device busy. */
const busyThreads = 4096;

/** The row stride, the column stride, and the stride between the matrices of a batch. */
const stridesOf = ({ m, n, k, transposeA, transposeB, batchStrideA, batchStrideB }: MatmulGeometry) => ({
  strideA: batchStrideA,
  rowA: transposeA ? 1 : k,
  columnA: transposeA ? m : 1,
  strideB: batchStrideB,
  rowB: transposeB ? 1 : n,
  columnB: transposeB ? k : 1,
});

export const matmulKernels = (device: Device): Pick<Kernels, "matmul" | "matmulGradient"> => ({
  matmulGradient(A, B, g, geometry) {
    const { batch, m, n, k, transposeA, transposeB, batchStrideA, batchStrideB } = geometry;
    const isRepeated = batch > 1 && (batchStrideA === 0 || batchStrideB === 0);
    if (isRepeated || A.length * B.length === 0) return undefined;
    if (A.length + B.length > together.elements || Math.max(m, n) > together.terms) return undefined;
    const both = device.runAll(
      bothGradients,
      { a: A.length, b: B.length },
      {
        ...{ A, B, g, batch, m, n, k, countA: A.length, ...stridesOf(geometry) },
        ...{ transposeA: Number(transposeA), outerA: transposeA ? k : m, innerA: transposeA ? m : k },
        ...{ transposeB: Number(transposeB), outerB: transposeB ? n : k, innerB: transposeB ? k : n },
      },
    );
    return both;
  },

  matmul(A, B, geometry) {
    const { batch, m, n, k } = geometry;
    // A small C with long sums would occupy too few threads, so the sum over k is split ("split-k").
    const parts = partsOf({ outputs: batch * m * n, terms: k, threads: busyThreads });
    const sizes = { batch, m, n, k, parts, step: Math.ceil(k / parts), ...stridesOf(geometry) };
    const length = parts * batch * m * n;
    const partials =
      device.mode.fourLanes && n % 4 === 0
        ? device.run(isPlane(n / 4, parts * batch * m) ? fourColumnsInPlane : fourColumnsInLine, length, { A, B, ...sizes, quads: n / 4 })
        : device.run(oneColumn, length, { A, B, ...sizes });
    return sumPartials(device, partials, parts);
  },
});
