/**
 * The bands of rows into which a separable convolution divides an image, and the panels in which a band's pixels lie between the window and
 * the map (assembly/separable.ts).
 */

import type { ConvolutionGeometry } from "../../../core/convolution-geometry.ts";
import type { ArenaMemory } from "./arena-memory.ts";
import type { ConvolutionPlan } from "./convolution-plan.ts";
import { vectorsOf } from "./depthwise.ts";
import { floatBytes, tapsOf, writeIntegers } from "./planes.ts";
import { cacheLine, type ScratchLayout } from "./scratch-layout.ts";
import { fieldPositions, structBytes, writeStructs } from "./structs.ts";

/** The panels of a band should take at most this part of a second-level cache. */
export const panelsLimit = 256 * 1024;
/** A panel is so many runs of pixels. */
const runsOfAPanel = 2;

const field = fieldPositions("DepthwiseVector");
const vectorWords = structBytes("DepthwiseVector") / floatBytes;

/** Bytes of a panel with so many channels (`panelBytes` in assembly/separable.ts). */
export const panelBytes = (channels: number, run: number): number => floatBytes * channels * runsOfAPanel * run + cacheLine;
/** Panels for which there must be room, because the window writes three at a time. */
export const paddedPanels = (panels: number): number => 3 * Math.ceil(panels / 3);

/** A band of rows of the output. */
interface Band {
  readonly firstRow: number;
  readonly rows: number;
  readonly panels: number;
  readonly whole: boolean;
  /** The rows of x that the band reads. */
  readonly sourceRow: number;
  readonly sourceRows: number;
  readonly vectors: Int32Array;
  readonly vectorsAt: number;
}

/** The bands of an image, with the places of their tables in scratch memory. */
export interface Bands {
  readonly list: readonly Band[];
  /** Rows of every phase of x's planes that a band reads. */
  readonly planeRows: number;
  readonly taps: ReturnType<typeof tapsOf>;
  readonly tapsAt: number;
  readonly passesAt: number;
  readonly bandsAt: number;
  /** Panels of the largest band. */
  readonly panels: number;
}

/** Rows of a band of at most `limit` bytes of panels. An odd number of runs would leave half of a panel empty. */
export function bandRowsOf(rows: number, runsOfARow: number, rowBytes: number, limit: number): number {
  const fitting = Math.max(1, Math.min(rows, Math.floor(limit / rowBytes)));
  const even = Math.ceil(rows / Math.ceil(rows / fitting));
  return even < rows && (even * runsOfARow) % 2 === 1 ? even + 1 : even;
}

export function takeBands(
  layout: ScratchLayout,
  plan: ConvolutionPlan,
  { kernelWidth, outWidth: width, height, strideY, paddingY }: ConvolutionGeometry,
  bandRows: number,
  run: number,
): Bands {
  const { y, direct } = plan;
  const planeRows = direct ? y.size : bandRows + y.reach;
  const taps = tapsOf(plan, 0, 0, kernelWidth, planeRows);
  const list = Array.from({ length: Math.ceil(y.count / bandRows) }, (_, i) => {
    const first = i * bandRows;
    const rows = { ...y.passes[0]!, first, count: Math.min(bandRows, y.count - first) };
    const { count, table } = vectorsOf({ ...plan, y: { ...y, passes: [rows] } }, 0, 0, width, run);
    // The table repeats the last vector. The repetitions have no pixels of their own.
    for (let vector = count; vector * vectorWords < table.length; vector++) table[vector * vectorWords + field.lanes] = 0;
    // A copy of the planes takes `planeRows` rows of each phase.
    const sourceRow = Math.min(height, Math.max(0, first * strideY - paddingY));
    const sourceEnd = Math.min(height, direct ? first + rows.count + y.reach : (first + planeRows) * strideY - paddingY);
    return {
      firstRow: first,
      rows: rows.count,
      sourceRow,
      sourceRows: Math.max(0, sourceEnd - sourceRow),
      panels: Math.ceil(count / runsOfAPanel),
      whole: width % run === 0 && count % runsOfAPanel === 0,
      vectors: table,
      vectorsAt: layout.take(table.byteLength),
    };
  });
  return {
    list,
    planeRows,
    taps,
    tapsAt: layout.take(structBytes("DepthwiseTap") * taps.length),
    passesAt: layout.take(structBytes("DepthwisePass") * list.length),
    bandsAt: layout.take(structBytes("Band") * list.length),
    panels: list[0]!.panels,
  };
}

/** Writes the bands into the scratch memory at `base`, and returns the address of their list. */
export function writeBands(memory: ArenaMemory, base: number, { list, planeRows, taps, tapsAt, passesAt, bandsAt }: Bands): number {
  writeStructs(memory, base + tapsAt, "DepthwiseTap", taps);
  for (const { vectors, vectorsAt } of list) writeIntegers(memory, base + vectorsAt, vectors);
  writeStructs(
    memory,
    base + passesAt,
    "DepthwisePass",
    list.map(({ panels, vectorsAt }) => ({
      ...{ taps: taps.length, list: base + tapsAt, vectorCount: runsOfAPanel * panels, vectors: base + vectorsAt, step: 1, contiguous: 0 },
    })),
  );
  writeStructs(
    memory,
    base + bandsAt,
    "Band",
    list.map(({ whole, vectors: _, vectorsAt: __, ...band }, i) => ({
      ...{ ...band, planeRows, pass: base + passesAt + i * structBytes("DepthwisePass"), whole: Number(whole) },
    })),
  );
  return base + bandsAt;
}
