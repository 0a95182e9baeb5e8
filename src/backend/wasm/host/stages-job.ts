/** What products along the channels ask of scratch memory, and what they write there (assembly/channel-stages.ts). */

import type { ChannelStage } from "../../../core/channel-stage.ts";
import { largest } from "../../../core/extent.ts";
import type { StagesGeometry } from "../../kernels.ts";
import { jobAddress } from "../shared/sizes.ts";
import type { ArenaStorage } from "./arena-memory.ts";
import type { Machine } from "./machine.ts";
import { floatBytes, readBeyond, writeIntegers } from "./planes.ts";
import { cacheLine, ScratchLayout, wholeLines } from "./scratch-layout.ts";
import { type StructValues, structBytes, writeStruct, writeStructs } from "./structs.ts";

/** A tile and what lies between its stages should stay in a second-level cache. */
export const tileBytes = 256 * 1024;
/** Fewer columns make the sums of the weights' gradients too short, and more gain nothing. */
export const fewestColumns = 64;
export const mostColumns = 512;
/** So many chunks keep a few threads busy to the end. */
export const enoughChunks = 8;
/** Rows of a weight that the kernel takes at once. */
const blockRows = 4;

export interface Tiles {
  /** Columns of a tile, of the same or of several images. */
  readonly columns: number;
  readonly images: number;
  readonly perImage: number;
  readonly count: number;
}

export const roundUp = (value: number, step: number): number => Math.ceil(value / step) * step;

export const rowsIn = ({ groups, inputs }: ChannelStage): number => groups * inputs;
export const rowsOut = ({ groups, outputs }: ChannelStage): number => groups * outputs;

const widestOf = (stages: readonly ChannelStage[]): number => largest([rowsOut(stages.at(-1)!), ...stages.map(rowsIn)]);

/** Rows of scratch memory for a tile. Those of y are needed where the last stage cannot write y itself. */
export function rowsOfTile(stages: readonly ChannelStage[], isBackward: boolean, direct: boolean): number {
  const others = isBackward ? 2 * widestOf(stages) : direct ? 0 : rowsOut(stages.at(-1)!);
  return stages.reduce((sum, stage) => sum + rowsIn(stage), others);
}

/** What a call computes, and how it is divided. */
interface Division {
  readonly geometry: StagesGeometry;
  readonly tiles: Tiles;
  /** The partial gradients of each weight; undefined forward. */
  readonly ranges: number | undefined;
  /** Pixels that a kernel takes together. */
  readonly run: number;
  readonly threads: number;
}

/** The places of a call, which depend on the sizes of the stages and not on their lists of rows. */
export type StagesPlaces = ReturnType<typeof takeStages>;

export function takeStages(layout: ScratchLayout, { geometry, tiles, ranges, run, threads }: Division) {
  const { columns, stages } = geometry;
  const [rowsX, rowsY] = [rowsIn(stages[0]!), rowsOut(stages.at(-1)!)];
  const direct = columns % run === 0;
  const width = tiles.images * tiles.columns;
  // A cache line more than the columns take keeps rows out of each other's places in a cache.
  const pitch = wholeLines(floatBytes * roundUp(width, run)) + cacheLine;
  const integers = (count: number): number => layout.take(floatBytes * count);
  const floats = integers;
  const runCount = roundUp(width, run) / run;
  const at = {
    job: layout.take(structBytes("StagesJob")),
    stages: layout.take(stages.length * structBytes("Stage")),
    ...{ runs: integers(runCount), runsX: integers(runCount), runsY: integers(runCount) },
    ...{ rowsOfX: integers(rowsX), rowsOfY: integers(rowsY), tap: integers(1) },
  };
  const isBackward = ranges !== undefined;
  const ofStages = stages.map((stage) => {
    const { weights: blocks, inputs, outputs } = stage;
    const size = blocks * inputs * outputs;
    return {
      ...{ reads: integers(rowsIn(stage)), writes: integers(rowsOut(stage)) },
      forward: floats(blocks * roundUp(outputs, blockRows) * inputs),
      backward: floats(isBackward ? blocks * roundUp(inputs, blockRows) * outputs : 0),
      partial: floats(isBackward ? ranges * size : 0),
      partialBytes: floatBytes * size,
    };
  });
  // A thread's scratch memory: the sums of a block, the inputs of the stages, and what else has rows.
  const own = new ScratchLayout();
  own.take(floatBytes * blockRows * 2 * run);
  const sources = stages.map((stage) => own.take(rowsIn(stage) * pitch));
  const widest = isBackward ? widestOf(stages) : 0;
  const results = {
    result: own.take(isBackward || direct ? 0 : rowsY * pitch),
    cotangents: own.take(widest * pitch),
    otherCotangents: own.take(widest * pitch),
  };
  own.take(readBeyond);
  const scratch = layout.take(own.bytes * threads);
  const sizes = { batch: geometry.batch, columns, tiles, ranges, run, direct, pitch, runCount, rowsX, rowsY };
  return { ...sizes, at, ofStages, sources, results, scratch, ownBytes: own.bytes };
}

/** What the places of a call depend on besides the machine. */
export const stagesKey = (stages: readonly ChannelStage[]): string =>
  stages.map(({ groups, weights, inputs, outputs }) => `${groups} ${weights} ${inputs} ${outputs}`).join(" ");

/** The stages of a call, and its addresses. */
export interface StagesOperands {
  readonly stages: readonly ChannelStage[];
  readonly x: number;
  readonly y: number;
  readonly g: number;
  readonly gx: number;
  readonly weights: readonly number[];
}

/**
 * Packs the weights and writes the job into the scratch memory at `base`, and returns its address. Rows of the gradient of x lie `planeX`
 * bytes apart. Default: as in x.
 */
export function writeStages(
  { kernels, memory }: Machine,
  base: number,
  places: StagesPlaces,
  { stages, weights, ...operands }: StagesOperands,
  shared: boolean,
  planeX = floatBytes * places.columns,
): number {
  const { batch, columns, tiles, ranges, run, direct, pitch, runCount, rowsX, rowsY, at, ofStages, sources, results } = places;
  /** The places of the runs of a tile in a row of a storage with so many rows. */
  const runsOf = (rows: number): Int32Array =>
    Int32Array.from({ length: runCount }, (_, r) => {
      const image = tiles.perImage > 1 ? 0 : Math.floor((r * run) / columns);
      return floatBytes * (image * rows * columns + r * run - image * columns);
    });
  writeIntegers(
    memory,
    base + at.runs,
    Int32Array.from({ length: runCount }, (_, r) => floatBytes * run * r),
  );
  writeIntegers(memory, base + at.runsX, runsOf(rowsX));
  writeIntegers(memory, base + at.runsY, runsOf(rowsY));
  const placesOf = (rows: Int32Array, distance: number): Int32Array => rows.map((row) => row * distance);
  writeIntegers(memory, base + at.rowsOfX, placesOf(stages[0]!.reads, planeX));
  writeIntegers(memory, base + at.rowsOfY, placesOf(stages.at(-1)!.writes, floatBytes * columns));
  writeIntegers(memory, base + at.tap, [0]);
  const written = stages.map((stage, s): StructValues<"Stage"> => {
    const { groups, weights: blocks, inputs, outputs, reads, writes } = stage;
    const place = ofStages[s]!;
    writeIntegers(memory, base + place.reads, placesOf(reads, pitch));
    writeIntegers(memory, base + place.writes, placesOf(writes, pitch));
    const pack = (target: number, outChannels: number, inChannels: number, strideOut: number, strideIn: number): void => {
      writeStruct(memory, jobAddress, "PackJob", {
        ...{ source: weights[s]!, target: base + target, taps: base + at.tap, tapCount: 1 },
        ...{ outChannels, inChannels, strideOut, strideIn, groupStride: inputs * outputs, blocks: Math.ceil(outChannels / blockRows) },
      });
      kernels.packWeights(blocks, shared);
    };
    pack(place.forward, outputs, inputs, inputs, 1);
    if (ranges !== undefined) pack(place.backward, inputs, outputs, 1, inputs);
    return {
      ...{ groups, weights: blocks, inputs, outputs, reads: base + place.reads, writes: base + place.writes },
      ...{ forward: base + place.forward, backward: base + place.backward, source: sources[s]! },
      ...{ partial: base + place.partial, partialBytes: place.partialBytes },
    };
  });
  writeStructs(memory, base + at.stages, "Stage", written);
  writeStruct(memory, base + at.job, "StagesJob", {
    ...{ ...operands, batch, columns, rowsX, rowsY, stages: base + at.stages, stageCount: stages.length },
    ...{ tileColumns: tiles.columns, images: tiles.images, tilesPerImage: tiles.perImage, tiles: tiles.count },
    tilesPerRange: ranges === undefined ? 0 : Math.ceil(tiles.count / ranges),
    ...{ pitch, runs: base + at.runs, runsX: base + at.runsX, runsY: base + at.runsY },
    ...{ rowsOfX: base + at.rowsOfX, rowsOfY: base + at.rowsOfY, direct: Number(direct), ...results },
    ...{ scratch: base + places.scratch, scratchBytes: places.ownBytes },
  });
  return base + at.job;
}

/** Adds up the partial gradients of every weight. */
export function addStages(
  { kernels }: Machine,
  base: number,
  { ranges, ofStages }: StagesPlaces,
  gradients: readonly ArenaStorage[],
  shared: boolean,
): void {
  for (const [s, target] of gradients.entries())
    kernels.addPartials(base + ofStages[s]!.partial, ranges!, target.length, target.pointer, shared);
}
