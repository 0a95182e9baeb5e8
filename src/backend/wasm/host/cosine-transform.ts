/**
 * The cosine transform along an axis: writes the job for assembly/cosine-transform.ts, or multiplies by the matrix where a length has no
 * fast transform.
 */

import { cosineMatrix, cosineTransformMultiplyAdds, cosineTransformPlan } from "../../../core/cosine-transform.ts";
import type { AxisSplit, Kernels, MatmulGeometry } from "../../kernels.ts";
import type { Acceptances } from "../../overlay.ts";
import { cosineColumns } from "../shared/sizes.ts";
import type { ArenaStorage } from "./arena-memory.ts";
import { type CosineTables, cosineTables } from "./cosine-tables.ts";
import { isFloat32, type Machine, sharedWork } from "./machine.ts";
import { ScratchLayout, wholeLines } from "./scratch-layout.ts";
import { structBytes, writeStruct, writeStructs } from "./structs.ts";

const floatBytes = 4;
/** One complex point of four columns: four real parts and four imaginary parts. */
const pointBytes = 32;
/** Buffers of four columns each that hold one block of columns. */
const buffersOfABlock = cosineColumns / 4;
/** Elements of a chunk, at least: enough to outweigh claiming it. */
const chunkElements = 16_384;
/** A model uses a few lengths. A program that uses many keeps the tables of the latest ones only. */
const lengthsKept = 16;

/** `make`, with the results of the latest `lengthsKept` lengths kept. */
function remembering<T>(make: (n: number) => T): (n: number) => T {
  const kept = new Map<number, T>();
  return (n) => {
    const value = kept.get(n) ?? make(n);
    if (!kept.has(n) && kept.size === lengthsKept) kept.delete(kept.keys().next().value!);
    kept.set(n, value);
    return value;
  };
}

/**
 * The product D·X for each matrix X:[n, inner]. Where every X is a vector, one product X·Dᵀ takes all of them as the rows of one matrix.
 */
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
): void {
  const { outer, axis: n, inner } = split;
  const { points } = tables.plan;
  const columns = outer * inner;
  const staged = inner < cosineColumns;
  const blocks = staged ? Math.ceil(columns / cosineColumns) : outer * Math.ceil(inner / cosineColumns);
  const halves = transpose ? tables.halvesTransposed : tables.halves;
  // Each buffer has one cache line more than it holds: buffers a power of two apart would share one set of the cache.
  const bufferBytes = wholeLines(pointBytes * points) + 64;
  const scratchBytes = wholeLines(buffersOfABlock * bufferBytes + (staged ? floatBytes * cosineColumns * n : 0));

  const layout = new ScratchLayout();
  const at = {
    job: layout.take(structBytes("CosineJob")),
    passes: layout.take(structBytes("FourierPass") * tables.passes.length),
    twiddles: tables.passes.map(({ twiddles }) => layout.take(floatBytes * twiddles.length)),
    halves: layout.take(floatBytes * halves.length),
    places: layout.take(floatBytes * points),
    rotations: layout.take(floatBytes * tables.rotations.length),
    scratch: layout.take(scratchBytes * team.threads),
  };
  memory.withScratch(layout.bytes, (base) => {
    const { floats, integers } = memory;
    const wordAt = (offset: number): number => (base + offset) / floatBytes;
    for (const [i, { twiddles }] of tables.passes.entries()) floats.set(twiddles, wordAt(at.twiddles[i]!));
    floats.set(tables.rotations, wordAt(at.rotations));
    integers.set(halves, wordAt(at.halves));
    integers.set(tables.places, wordAt(at.places));
    writeStructs(
      memory,
      base + at.passes,
      "FourierPass",
      tables.passes.map(({ radix, span }, i) => ({ radix, span, twiddles: base + at.twiddles[i]! })),
    );
    writeStruct(memory, base + at.job, "CosineJob", {
      x,
      y: y.pointer,
      n,
      inner,
      columns,
      transposed: Number(transpose),
      points,
      passes: base + at.passes,
      passCount: tables.passes.length,
      halves: base + at.halves,
      places: base + at.places,
      rotations: base + at.rotations,
      blocks,
      blocksPerChunk: Math.ceil(chunkElements / (cosineColumns * n)),
      scratch: base + at.scratch,
      scratchBytes,
      bufferBytes,
    });
    kernels.cosineTransform(base + at.job, 2 * cosineTransformMultiplyAdds(n) * columns > sharedWork);
  });
}

export const cosineTransformAcceptances: Acceptances<"cosineTransform"> = {
  cosineTransform: { dtypes: ["float32"], accepts: isFloat32 },
};

/** `matmul` must be the fast kernel: it computes the transforms whose length has no fast one. */
export function cosineTransformKernels(machine: Machine, { matmul }: Pick<Kernels, "matmul">): Pick<Kernels, "cosineTransform"> {
  const { memory, team } = machine;
  const tablesOf = remembering((n) => {
    const plan = cosineTransformPlan(n);
    return plan && cosineTables(n, plan);
  });
  const matrixOf = remembering((n) => Float32Array.from(cosineMatrix(n)));

  return {
    cosineTransform(x, transpose, split) {
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
