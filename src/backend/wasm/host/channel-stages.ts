/** Products along the channels: chooses the tiles by shape alone, and runs the job (assembly/channel-stages.ts). */

import { stagesMultiplyAdds } from "../../../core/channel-stage.ts";
import type { Kernels, StagesGeometry } from "../../kernels.ts";
import type { Acceptances } from "../../overlay.ts";
import type { ArenaStorage } from "./arena-memory.ts";
import { isFloat32, type Machine, sharedWork } from "./machine.ts";
import { floatBytes } from "./planes.ts";
import { Remembered } from "./remembered.ts";
import { ScratchLayout } from "./scratch-layout.ts";
import {
  addStages,
  enoughChunks,
  fewestColumns,
  mostColumns,
  roundUp,
  rowsOfTile,
  rowsOut,
  type StagesOperands,
  stagesKey,
  type Tiles,
  takeStages,
  tileBytes,
  writeStages,
} from "./stages-job.ts";

export type Contraction = "contractChannels" | "contractChannelsGradient";

export const channelStageAcceptances: Acceptances<Contraction> = {
  contractChannels: { dtypes: ["float32"], accepts: isFloat32 },
  contractChannelsGradient: { dtypes: ["float32"], accepts: isFloat32 },
};

/** Tiles of columns for `rows` rows of scratch memory. */
function tilesOf({ batch, columns }: StagesGeometry, rows: number, run: number): Tiles {
  const fitting = Math.floor(tileBytes / (floatBytes * rows) / run) * run;
  const wanted = Math.max(fewestColumns, Math.min(mostColumns, fitting));
  const sharing = Math.max(fewestColumns, roundUp(Math.ceil((batch * columns) / enoughChunks), run));
  const most = Math.min(wanted, sharing);
  if (columns > most) {
    // Tiles of an image are about equally wide.
    const width = roundUp(Math.ceil(columns / Math.ceil(columns / most)), run);
    const perImage = Math.ceil(columns / width);
    return { columns: width, images: 1, perImage, count: batch * perImage };
  }
  const images = Math.max(1, Math.min(batch, Math.floor(most / columns)));
  return { columns, images, perImage: 1, count: Math.ceil(batch / images) };
}

/** What a call does that has such a geometry: how the work is divided, and what lies where in scratch memory. */
function planOf(geometry: StagesGeometry, isBackward: boolean, run: number, threads: number) {
  const { columns, stages } = geometry;
  const tiles = tilesOf(geometry, rowsOfTile(stages, isBackward, columns % run === 0), run);
  const ranges = Math.ceil(tiles.count / Math.ceil(tiles.count / enoughChunks));
  const layout = new ScratchLayout();
  const places = takeStages(layout, { geometry, tiles, ranges: isBackward ? ranges : undefined, run, threads });
  return { ranges, places, bytes: layout.bytes };
}

export function channelStageKernels(machine: Machine): Pick<Required<Kernels>, Contraction> {
  const { kernels, memory, team } = machine;
  const run = kernels.convRun.value;
  const plans = new Remembered<ReturnType<typeof planOf>>();

  /** Writes the job and runs it. The gradients are those of the weights; undefined forward. */
  function compute(geometry: StagesGeometry, operands: Omit<StagesOperands, "stages">, gradients?: readonly ArenaStorage[]): void {
    const { batch, columns, stages } = geometry;
    const isBackward = gradients !== undefined;
    const key = `${Number(isBackward)} ${batch} ${columns} ${stagesKey(stages)}`;
    const { ranges, places, bytes } = plans.get(key, () => planOf(geometry, isBackward, run, team.threads));
    const shared = 2 * batch * columns * stagesMultiplyAdds(stages) > sharedWork;
    memory.withScratch(bytes, (base) => {
      const job = writeStages(machine, base, places, { stages, ...operands }, shared);
      if (gradients === undefined) return kernels.contractChannels(job, shared);
      kernels.contractChannelsGradient(job, ranges, shared);
      addStages(machine, base, places, gradients, shared);
    });
  }

  // The addresses of the operands are taken first: an operand that is not of this arena is refused before anything is allocated.
  return {
    contractChannels(x, weights, geometry) {
      team.check();
      const operands = { x: memory.pointerOf(x), g: 0, gx: 0, weights: weights.map((w) => memory.pointerOf(w)) };
      const y = memory.allocate("float32", geometry.batch * geometry.columns * rowsOut(geometry.stages.at(-1)!));
      compute(geometry, { ...operands, y: y.pointer });
      return y;
    },

    contractChannelsGradient(x, weights, g, geometry) {
      team.check();
      const operands = { x: memory.pointerOf(x), y: 0, g: memory.pointerOf(g), weights: weights.map((w) => memory.pointerOf(w)) };
      const ofX = memory.allocate("float32", x.length);
      const gradients = weights.map(({ length }) => memory.allocate("float32", length));
      compute(geometry, { ...operands, gx: ofX.pointer }, gradients);
      return { x: ofX, weights: gradients };
    },
  };
}
