/** Products along the channels: chooses the tiles by shape alone, packs the weights and writes the job (assembly/channel-stages.ts). */

import { type ChannelStage, stageMultiplyAdds } from "../../../core/channel-stage.ts";
import { largest } from "../../../core/extent.ts";
import type { Kernels, StagesGeometry } from "../../kernels.ts";
import type { Acceptances } from "../../overlay.ts";
import { jobAddress } from "../shared/sizes.ts";
import type { ArenaStorage } from "./arena-memory.ts";
import { isFloat32, type Machine, sharedWork } from "./machine.ts";
import { floatBytes, readBeyond, writeIntegers } from "./planes.ts";
import { cacheLine, ScratchLayout, wholeLines } from "./scratch-layout.ts";
import { type StructValues, structBytes, writeStruct, writeStructs } from "./structs.ts";

type Contraction = "contractChannels" | "contractChannelsGradient";

export const channelStageAcceptances: Acceptances<Contraction> = {
  contractChannels: { dtypes: ["float32"], accepts: isFloat32 },
  contractChannelsGradient: { dtypes: ["float32"], accepts: isFloat32 },
};

/** A tile and what lies between its stages should stay in a second-level cache. */
const tileBytes = 256 * 1024;
/** Fewer columns make the sums of the weights' gradients too short, and more gain nothing. */
const fewestColumns = 64;
const mostColumns = 512;
/** So many chunks keep a few threads busy to the end. */
const enoughChunks = 8;
/** Rows of a weight that the kernel takes at once. */
const blockRows = 4;

interface Tiles {
  /** Columns of a tile, of the same or of several images. */
  readonly columns: number;
  readonly images: number;
  readonly perImage: number;
  readonly count: number;
  /** Bytes of a row. A cache line more than the columns take keeps rows out of each other's places in a cache. */
  readonly pitch: number;
}

const roundUp = (value: number, step: number): number => Math.ceil(value / step) * step;

/** Tiles of columns for `rows` rows of scratch memory. */
function tilesOf({ batch, columns }: StagesGeometry, rows: number, run: number): Tiles {
  const fitting = Math.floor(tileBytes / (floatBytes * rows) / run) * run;
  const wanted = Math.max(fewestColumns, Math.min(mostColumns, fitting));
  const sharing = Math.max(fewestColumns, roundUp(Math.ceil((batch * columns) / enoughChunks), run));
  const most = Math.min(wanted, sharing);
  const pitchOf = (width: number): number => wholeLines(floatBytes * roundUp(width, run)) + cacheLine;
  if (columns > most) {
    // Tiles of an image are about equally wide.
    const width = roundUp(Math.ceil(columns / Math.ceil(columns / most)), run);
    const perImage = Math.ceil(columns / width);
    return { columns: width, images: 1, perImage, count: batch * perImage, pitch: pitchOf(width) };
  }
  const images = Math.max(1, Math.min(batch, Math.floor(most / columns)));
  return { columns, images, perImage: 1, count: Math.ceil(batch / images), pitch: pitchOf(images * columns) };
}

const rowsIn = ({ groups, inputs }: ChannelStage): number => groups * inputs;
const rowsOut = ({ groups, outputs }: ChannelStage): number => groups * outputs;

export function channelStageKernels({ kernels, memory, team }: Machine): Pick<Required<Kernels>, Contraction> {
  const run = kernels.convRun.value;
  /** Room for the sums of one tile: four rows and two runs. */
  const sumsBytes = floatBytes * blockRows * 2 * run;

  /** The addresses of a call. The gradients are those of the weights; undefined forward. */
  interface Operands {
    readonly x: number;
    readonly y: number;
    readonly g: number;
    readonly gx: number;
    readonly weights: readonly number[];
    readonly gradients: readonly ArenaStorage[] | undefined;
  }

  /** Packs the weights, writes the job and runs it. */
  function compute(geometry: StagesGeometry, { weights, gradients, ...operands }: Operands): void {
    const { batch, columns, stages } = geometry;
    const [first, last] = [stages[0]!, stages.at(-1)!];
    const [rowsX, rowsY] = [rowsIn(first), rowsOut(last)];
    const isBackward = gradients !== undefined;
    const direct = columns % run === 0;
    const widest = largest([rowsY, ...stages.map(rowsIn)]);
    const otherRows = isBackward ? 2 * widest : direct ? 0 : rowsY;
    const tiles = tilesOf(
      geometry,
      stages.reduce((sum, stage) => sum + rowsIn(stage), otherRows),
      run,
    );
    const tilesPerRange = Math.ceil(tiles.count / enoughChunks);
    const ranges = Math.ceil(tiles.count / tilesPerRange);
    const shared = 2 * batch * columns * stages.reduce((sum, stage) => sum + stageMultiplyAdds(stage), 0) > sharedWork;

    const layout = new ScratchLayout();
    const integers = (count: number): number => layout.take(floatBytes * count);
    const floats = integers;
    const runCount = roundUp(tiles.images * tiles.columns, run) / run;
    const at = {
      job: layout.take(structBytes("StagesJob")),
      stages: layout.take(stages.length * structBytes("Stage")),
      ...{ runs: integers(runCount), runsX: integers(runCount), runsY: integers(runCount) },
      ...{ rowsOfX: integers(rowsX), rowsOfY: integers(rowsY), tap: integers(1) },
    };
    const stagesAt = stages.map((stage) => {
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
    own.take(sumsBytes);
    const sources = stages.map((stage) => own.take(rowsIn(stage) * tiles.pitch));
    const results = {
      result: own.take(isBackward || direct ? 0 : rowsY * tiles.pitch),
      cotangents: own.take(isBackward ? widest * tiles.pitch : 0),
      otherCotangents: own.take(isBackward ? widest * tiles.pitch : 0),
    };
    own.take(readBeyond);
    const scratch = layout.take(own.bytes * team.threads);

    memory.withScratch(layout.bytes, (base) => {
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
      writeIntegers(memory, base + at.rowsOfX, placesOf(first.reads, floatBytes * columns));
      writeIntegers(memory, base + at.rowsOfY, placesOf(last.writes, floatBytes * columns));
      writeIntegers(memory, base + at.tap, [0]);
      const written = stages.map((stage, s): StructValues<"Stage"> => {
        const { groups, weights: blocks, inputs, outputs, reads, writes } = stage;
        const place = stagesAt[s]!;
        writeIntegers(memory, base + place.reads, placesOf(reads, tiles.pitch));
        writeIntegers(memory, base + place.writes, placesOf(writes, tiles.pitch));
        const pack = (target: number, outChannels: number, inChannels: number, strideOut: number, strideIn: number): void => {
          writeStruct(memory, jobAddress, "PackJob", {
            ...{ source: weights[s]!, target: base + target, taps: base + at.tap, tapCount: 1 },
            ...{ outChannels, inChannels, strideOut, strideIn, groupStride: inputs * outputs, blocks: Math.ceil(outChannels / blockRows) },
          });
          kernels.packWeights(blocks, shared);
        };
        pack(place.forward, outputs, inputs, inputs, 1);
        if (isBackward) pack(place.backward, inputs, outputs, 1, inputs);
        return {
          ...{ groups, weights: blocks, inputs, outputs, reads: base + place.reads, writes: base + place.writes },
          ...{ forward: base + place.forward, backward: base + place.backward, source: sources[s]! },
          ...{ partial: base + place.partial, partialBytes: place.partialBytes },
        };
      });
      writeStructs(memory, base + at.stages, "Stage", written);
      writeStruct(memory, base + at.job, "StagesJob", {
        ...{ ...operands, batch, columns, rowsX, rowsY, stages: base + at.stages, stageCount: stages.length },
        ...{ tileColumns: tiles.columns, images: tiles.images, tilesPerImage: tiles.perImage, tiles: tiles.count, tilesPerRange },
        ...{ pitch: tiles.pitch, runs: base + at.runs, runsX: base + at.runsX, runsY: base + at.runsY },
        ...{ rowsOfX: base + at.rowsOfX, rowsOfY: base + at.rowsOfY, direct: Number(direct), ...results },
        ...{ scratch: base + scratch, scratchBytes: own.bytes },
      });
      if (!isBackward) return kernels.contractChannels(base + at.job, shared);
      kernels.contractChannelsGradient(base + at.job, ranges, shared);
      for (const [s, target] of gradients.entries())
        kernels.addPartials(base + stagesAt[s]!.partial, ranges, target.length, target.pointer, shared);
    });
  }

  // The addresses of the operands are taken first: an operand that is not of this arena is refused before anything is allocated.
  return {
    contractChannels(x, weights, geometry) {
      team.check();
      const operands = { x: memory.pointerOf(x), g: 0, gx: 0, weights: weights.map((w) => memory.pointerOf(w)) };
      const y = memory.allocate("float32", geometry.batch * geometry.columns * rowsOut(geometry.stages.at(-1)!));
      compute(geometry, { ...operands, y: y.pointer, gradients: undefined });
      return y;
    },

    contractChannelsGradient(x, weights, g, geometry) {
      team.check();
      const operands = { x: memory.pointerOf(x), y: 0, g: memory.pointerOf(g), weights: weights.map((w) => memory.pointerOf(w)) };
      const ofX = memory.allocate("float32", x.length);
      const gradients = weights.map(({ length }) => memory.allocate("float32", length));
      compute(geometry, { ...operands, gx: ofX.pointer, gradients });
      return { x: ofX, weights: gradients };
    },
  };
}
