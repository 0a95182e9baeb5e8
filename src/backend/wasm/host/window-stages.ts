/** A depthwise window and the stages behind it: divides images into bands and runs the job (assembly/window-stages.ts). */

import { stagesMultiplyAdds } from "../../../core/channel-stage.ts";
import { convolutionMultiplyAdds } from "../../../core/convolution-geometry.ts";
import { composedWindowStages } from "../../composed-window-stages.ts";
import type { Kernels, WindowStagesGeometry } from "../../kernels.ts";
import type { Acceptances } from "../../overlay.ts";
import type { ArenaStorage } from "./arena-memory.ts";
import { isFloat32, type Machine, sharedWork } from "./machine.ts";
import { floatBytes, readBeyond } from "./planes.ts";
import { Remembered } from "./remembered.ts";
import { cacheLine, ScratchLayout, wholeLines } from "./scratch-layout.ts";
import { bandRowsOf } from "./separable-bands.ts";
import { sameWindow, sizesOf, takeInput, windowKind, writeInput } from "./separable-input.ts";
import {
  addStages,
  fewestColumns,
  mostColumns,
  rowsOfTile,
  rowsOut,
  type StagesOperands,
  stagesKey,
  takeStages,
  tileBytes,
  writeStages,
} from "./stages-job.ts";
import { structBytes, writeStruct } from "./structs.ts";

type WindowContraction = "contractWindow" | "contractWindowGradient";

export const windowStageAcceptances: Acceptances<WindowContraction> = {
  contractWindow: { dtypes: ["float32"], accepts: isFloat32 },
  contractWindowGradient: { dtypes: ["float32"], accepts: isFloat32 },
};

/** Partial gradients are added up, so there are not more of them than a few threads need. */
const mostRanges = 16;
const windowWeights = 9;

/** Columns of a tile for `rows` rows of scratch memory. */
const columnsFor = (rows: number): number => Math.max(fewestColumns, Math.min(mostColumns, Math.floor(tileBytes / (floatBytes * rows))));

/** What a call does that has such a geometry: how the work is divided, and what lies where in scratch memory. */
function planOf({ window, stages }: WindowStagesGeometry, isBackward: boolean, run: number, threads: number) {
  const { batch, inChannels: channels, outHeight, outWidth } = window;
  const separable = { window, outChannels: rowsOut(stages.at(-1)!) };
  const sizes = sizesOf(separable, run);
  const layout = new ScratchLayout();
  const bandRows = bandRowsOf(outHeight, sizes.runsOfARow, outWidth, columnsFor(rowsOfTile(stages, isBackward, true)));
  const input = takeInput(layout, separable, bandRows, run);
  const perImage = input.bands.list.length;
  const tiles = { columns: bandRows * outWidth, images: 1, perImage, count: batch * perImage };
  const imagesPerRange = Math.ceil(batch / mostRanges);
  const ranges = Math.ceil(batch / imagesPerRange);
  const geometry = { batch, columns: outHeight * outWidth, stages };
  const places = takeStages(layout, { geometry, tiles, ranges: isBackward ? ranges : undefined, run, threads });
  const job = layout.take(structBytes("WindowStagesJob"));
  const windowBytes = floatBytes * channels * windowWeights;
  const partialWindow = layout.take(isBackward ? ranges * windowBytes : 0);
  // The lanes of the nine sums stay apart until the end of a range. Channels of a cotangent lie a cache line further apart than they are
  // long, so that they do not compete for places in the cache.
  const nineBytes = windowKind(window, run) === sameWindow ? windowBytes * run : 0;
  const dPlane = sizes.planeBytes + cacheLine;
  const scratchBytes = isBackward ? wholeLines(nineBytes + cacheLine + channels * dPlane + readBeyond) : 0;
  const scratch = layout.take(scratchBytes * threads);
  return {
    ...{ sizes, input, imagesPerRange, ranges, places, job, windowBytes, partialWindow, nineBytes, dPlane, scratchBytes, scratch },
    bytes: layout.bytes,
  };
}

export function windowStageKernels(
  machine: Machine,
  parts: Parameters<typeof composedWindowStages>[0],
): Pick<Required<Kernels>, WindowContraction> {
  const { kernels, memory, team } = machine;
  const run = kernels.convRun.value;
  const composed = composedWindowStages(parts);
  const plans = new Remembered<ReturnType<typeof planOf>>();

  /** Writes the job and runs it. The gradients are those of x, w and the weights; undefined forward. */
  function compute(
    geometry: WindowStagesGeometry,
    { x, w, ...operands }: Pick<StagesOperands, "x" | "y" | "g" | "weights"> & { readonly w: number },
    gradient?: { readonly x: ArenaStorage; readonly w: ArenaStorage; readonly weights: readonly ArenaStorage[] },
  ): void {
    const { window, stages } = geometry;
    const isBackward = gradient !== undefined;
    const key = `${Number(isBackward)} ${Object.values(window).join(" ")} ${stagesKey(stages)}`;
    const plan = plans.get(key, () => planOf(geometry, isBackward, run, team.threads));
    const { sizes, input, imagesPerRange, ranges, places, windowBytes, nineBytes, dPlane, scratchBytes } = plan;
    const columns = window.batch * window.outHeight * window.outWidth;
    const shared = 2 * (convolutionMultiplyAdds(window) + columns * stagesMultiplyAdds(stages)) > sharedWork;
    memory.withScratch(plan.bytes, (base) => {
      const [job, partialWindow] = [base + plan.job, base + plan.partialWindow];
      writeStruct(memory, job, "WindowStagesJob", {
        input: writeInput(machine, base, input, sizes, { x, weights: w }, undefined, 0),
        stages: writeStages(machine, base, places, { stages, ...operands, x: 0, gx: 0 }, shared, isBackward ? dPlane : undefined),
        xGradient: gradient?.x.pointer ?? 0,
        ...{ partialWindow, windowBytes, images: window.batch, imagesPerRange, nineBytes, dPlane },
        ...{ scratch: base + plan.scratch, scratchBytes },
      });
      if (gradient === undefined) return kernels.contractWindow(job, shared);
      kernels.contractWindowGradient(job, ranges, shared);
      kernels.addPartials(partialWindow, ranges, gradient.w.length, gradient.w.pointer, shared);
      addStages(machine, base, places, gradient.weights, shared);
    });
  }

  return {
    contractWindow(x, w, weights, geometry) {
      if (windowKind(geometry.window, run) === 0) return composed.contractWindow(x, w, weights, geometry);
      team.check();
      const operands = { x: memory.pointerOf(x), w: memory.pointerOf(w), g: 0, weights: weights.map((each) => memory.pointerOf(each)) };
      const { batch, outHeight, outWidth } = geometry.window;
      const y = memory.allocate("float32", batch * outHeight * outWidth * rowsOut(geometry.stages.at(-1)!));
      compute(geometry, { ...operands, y: y.pointer });
      return y;
    },

    contractWindowGradient(x, w, weights, g, geometry) {
      if (windowKind(geometry.window, run) === 0) return composed.contractWindowGradient(x, w, weights, g, geometry);
      team.check();
      const [source, window, cotangent] = [x, w, g].map((operand) => memory.pointerOf(operand)) as [number, number, number];
      const operands = { x: source, w: window, g: cotangent, y: 0, weights: weights.map((each) => memory.pointerOf(each)) };
      const gradient = {
        x: memory.allocate("float32", x.length),
        w: memory.allocate("float32", w.length),
        weights: weights.map(({ length }) => memory.allocate("float32", length)),
      };
      compute(geometry, operands, gradient);
      return gradient;
    },
  };
}
