/** The cosine transform along an axis: lays out the job for assembly/cosine-transform.ts, or multiplies by the matrix. */

import { cosineMatrix, cosineTransformMultiplyAdds, cosineTransformPlan } from "../../../core/cosine-transform.ts";
import type { AxisSplit, Kernels, MatmulGeometry } from "../../kernels.ts";
import type { ArenaStorage } from "./arena-memory.ts";
import { Layout, line, words } from "./convolution-tables.ts";
import { type CosineTables, cosineTables } from "./cosine-tables.ts";
import { allFloat32, type Machine, sharedWork } from "./machine.ts";

/** Columns of a block: a cache line of each row. */
const blockColumns = 16;
/** Elements of a chunk, at least: enough to outweigh claiming it. */
const chunkElements = 16_384;
/** A model has a handful of lengths; a program that runs through many shall not keep the tables of all. */
const lengthsKept = 16;

/** `make`, with its latest results kept. */
function remembering<T>(make: (n: number) => T): (n: number) => T {
  const kept = new Map<number, T>();
  return (n) => {
    const value = kept.get(n) ?? make(n);
    if (!kept.has(n) && kept.size === lengthsKept) kept.delete(kept.keys().next().value!);
    kept.set(n, value);
    return value;
  };
}

/** D·X for each matrix X:[n, inner]; where X is a vector, all of them at once as the rows of one matrix: X·Dᵀ. */
function denseGeometry({ outer, axis: n, inner }: AxisSplit, transpose: boolean): MatmulGeometry {
  if (inner === 1) return { batch: 1, m: outer, k: n, n, transposeA: false, transposeB: !transpose, batchStrideA: 0, batchStrideB: 0 };
  return { batch: outer, m: n, k: n, n: inner, transposeA: transpose, transposeB: false, batchStrideA: 0, batchStrideB: n * inner };
}

function runFast(
  { kernels, memory, team }: Machine,
  tables: CosineTables,
  x: number,
  y: ArenaStorage,
  transpose: boolean,
  split: AxisSplit,
) {
  const { outer, axis: n, inner } = split;
  const { points } = tables.plan;
  const columns = outer * inner;
  const staged = inner < blockColumns;
  const blocks = staged ? Math.ceil(columns / blockColumns) : outer * Math.ceil(inner / blockColumns);
  const halves = transpose ? tables.halvesTransposed : tables.halves;
  // One line more than it holds: four buffers a power of two apart would share one set of the cache.
  const bufferBytes = line(32 * points) + 64;
  const scratchBytes = 4 * bufferBytes + (staged ? 4 * blockColumns * n : 0);

  const layout = new Layout();
  const at = {
    job: layout.take(68),
    passes: layout.take(12 * tables.passes.length),
    twiddles: tables.passes.map(({ twiddles }) => layout.take(4 * twiddles.length)),
    halves: layout.take(4 * halves.length),
    places: layout.take(4 * points),
    rotations: layout.take(4 * tables.rotations.length),
    scratch: layout.take(line(scratchBytes) * team.threads),
  };
  memory.withScratch(layout.bytes, (base) => {
    const floats = new Float32Array(memory.wasm.buffer, base, layout.bytes / 4);
    for (const [i, { twiddles }] of tables.passes.entries()) floats.set(twiddles, at.twiddles[i]! / 4);
    floats.set(tables.rotations, at.rotations / 4);
    const integers = new Int32Array(memory.wasm.buffer, base, layout.bytes / 4);
    integers.set(halves, at.halves / 4);
    integers.set(tables.places, at.places / 4);
    words(
      memory,
      base + at.passes,
      tables.passes.flatMap(({ radix, span }, i) => [radix, span, base + at.twiddles[i]!]),
    );
    words(memory, base + at.job, [
      ...[x, y.pointer, n, inner, columns, Number(transpose), points, base + at.passes, tables.passes.length],
      ...[base + at.halves, base + at.places, base + at.rotations],
      ...[blocks, Math.ceil(chunkElements / (blockColumns * n)), base + at.scratch, line(scratchBytes), bufferBytes],
    ]);
    kernels.cosineTransform(base + at.job, 2 * cosineTransformMultiplyAdds(n) * columns > sharedWork);
  });
}

export function cosineTransformKernels(
  machine: Machine,
  reference: Pick<Kernels, "cosineTransform">,
  { matmul }: Pick<Kernels, "matmul">,
): Pick<Kernels, "cosineTransform"> {
  const { memory, team } = machine;
  const tablesOf = remembering((n) => {
    const plan = cosineTransformPlan(n);
    return plan && cosineTables(n, plan);
  });
  const matrixOf = remembering((n) => Float32Array.from(cosineMatrix(n)));

  return {
    cosineTransform(x, transpose, split) {
      if (!allFloat32(x)) return reference.cosineTransform(x, transpose, split);
      team.check();
      const n = split.axis;
      const tables = tablesOf(n);
      if (tables !== undefined) {
        const source = memory.pointerOf(x);
        const out = memory.allocate("float32", x.length);
        if (out.length > 0) runFast(machine, tables, source, out, transpose, split);
        return out;
      }
      const matrix = memory.allocate("float32", n * n);
      try {
        matrix.view.set(matrixOf(n));
        const geometry = denseGeometry(split, transpose);
        return split.inner === 1 ? matmul(x, matrix, geometry) : matmul(matrix, x, geometry);
      } finally {
        matrix.release();
      }
    },
  };
}
