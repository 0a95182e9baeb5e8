/** A depthwise window and the stages behind it: divides images into bands and runs the job (assembly/window-stages.ts). */

import { stagesMultiplyAdds } from "../../../core/channel-stage.ts";
import { convolutionMultiplyAdds } from "../../../core/convolution-geometry.ts";
import { largest } from "../../../core/extent.ts";
import type { Storage } from "../../../tensor/storage.ts";
import type { Norms } from "../../composed-norm.ts";
import { composedNormWindowStages, composedWindowStages } from "../../composed-window-stages.ts";
import type { Kernels, PrecedingNormStorages, WindowStagesGeometry } from "../../kernels.ts";
import type { Acceptances } from "../../overlay.ts";
import type { ArenaStorage } from "./arena-memory.ts";
import { takeNorm } from "./batch-norm.ts";
import { isFloat32, type Machine, sharedWork } from "./machine.ts";
import { floatBytes, readBeyond } from "./planes.ts";
import { finishGradient, gradientNorm, takeStatistics, writeCoefficients } from "./preceding-norm.ts";
import { Remembered } from "./remembered.ts";
import { cacheLine, ScratchLayout, wholeLines } from "./scratch-layout.ts";
import { type Bands, bandRowsOf } from "./separable-bands.ts";
import { normRowsBytes, sameWindow, sizesOf, takeInput, windowKind, writeInput } from "./separable-input.ts";
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

type WindowContraction = "contractWindow" | "contractWindowGradient" | "normContractWindow" | "normContractWindowGradient";

export const windowStageAcceptances: Acceptances<WindowContraction> = {
  contractWindow: { dtypes: ["float32"], accepts: isFloat32 },
  contractWindowGradient: { dtypes: ["float32"], accepts: isFloat32 },
  normContractWindow: { dtypes: ["float32"], accepts: isFloat32 },
  normContractWindowGradient: { dtypes: ["float32"], accepts: isFloat32 },
};

/** Partial gradients are added up, so there are not more of them than a few threads need. */
const mostRanges = 16;
const windowWeights = 9;

/** Columns of a tile for `rows` rows of scratch memory. */
const columnsFor = (rows: number): number => Math.max(fewestColumns, Math.min(mostColumns, Math.floor(tileBytes / (floatBytes * rows))));

const mostSourceRows = ({ list }: Bands): number => largest(list.map(({ sourceRows }) => sourceRows));

/** What a call does that has such a geometry: how the work is divided, and what lies where in scratch memory. */
function planOf({ window, stages }: WindowStagesGeometry, isBackward: boolean, hasNorm: boolean, run: number, threads: number) {
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
  const norm = hasNorm ? takeNorm(layout, sizes.norm) : undefined;
  const job = layout.take(structBytes("WindowStagesJob"));
  const windowBytes = floatBytes * channels * windowWeights;
  const partialWindow = layout.take(isBackward ? ranges * windowBytes : 0);
  // The lanes of the nine sums stay apart until the end of a range. Channels of a cotangent lie a cache line further apart than they are
  // long, so that they do not compete for places in the cache.
  const nineBytes = windowKind(window, run) === sameWindow ? windowBytes * run : 0;
  const dPlane = sizes.planeBytes + cacheLine;
  const rowsBytes = hasNorm ? normRowsBytes(isBackward ? window.height : mostSourceRows(input.bands), window) : 0;
  const scratchBytes = wholeLines(rowsBytes + (isBackward ? nineBytes + cacheLine + channels * dPlane + readBeyond : 0));
  const scratch = layout.take(scratchBytes * threads);
  return {
    ...{ sizes, input, imagesPerRange, ranges, places, job, windowBytes, partialWindow, nineBytes, dPlane, rowsBytes, scratchBytes },
    ...{ scratch, norm },
    bytes: layout.bytes,
  };
}

/** The norm before the window with its statistics. Its gradients are those of γ and β; undefined forward. */
type Norm = PrecedingNormStorages & {
  readonly mean: Storage;
  readonly variance: Storage;
  readonly gradient?: { readonly gamma: ArenaStorage; readonly beta: ArenaStorage };
};

/** The gradients of x, w and the weights. */
interface Gradient {
  readonly x: ArenaStorage;
  readonly w: ArenaStorage;
  readonly weights: readonly ArenaStorage[];
}

type Parts = Parameters<typeof composedWindowStages>[0] & Norms;

export function windowStageKernels(machine: Machine, parts: Parts): Pick<Required<Kernels>, WindowContraction> {
  const { kernels, memory, team } = machine;
  const run = kernels.convRun.value;
  const plans = new Remembered<ReturnType<typeof planOf>>();
  const windowed = composedWindowStages(parts);
  const composed = { ...windowed, ...composedNormWindowStages({ ...parts, ...windowed }) };
  /** Whether the window is none that the kernels know. */
  const isOther = ({ window }: WindowStagesGeometry): boolean => windowKind(window, run) === 0;

  /** Writes the job and runs it. */
  function compute(
    geometry: WindowStagesGeometry,
    { x, w, ...operands }: Pick<StagesOperands, "x" | "y" | "g" | "weights"> & { readonly w: number },
    norm: Norm | undefined,
    gradient?: Gradient,
  ): void {
    const { window, stages } = geometry;
    const [isBackward, hasNorm] = [gradient !== undefined, norm !== undefined];
    const key = `${Number(isBackward)} ${Number(hasNorm)} ${Object.values(window).join(" ")} ${stagesKey(stages)}`;
    const plan = plans.get(key, () => planOf(geometry, isBackward, hasNorm, run, team.threads));
    const { sizes, input, imagesPerRange, ranges, places, windowBytes, nineBytes, dPlane, scratchBytes } = plan;
    const columns = window.batch * window.outHeight * window.outWidth;
    const shared = 2 * (convolutionMultiplyAdds(window) + columns * stagesMultiplyAdds(stages)) > sharedWork;
    const placed = norm && { norm, geometry: sizes.norm, places: plan.norm! };
    memory.withScratch(plan.bytes, (base) => {
      if (placed !== undefined && !isBackward) takeStatistics(machine, base, placed, x);
      if (placed !== undefined) writeCoefficients(machine, base, placed);
      const [job, partialWindow] = [base + plan.job, base + plan.partialWindow];
      writeStruct(memory, job, "WindowStagesJob", {
        ...gradientNorm(base, placed),
        input: writeInput(machine, base, input, sizes, { x, weights: w }, placed, plan.rowsBytes),
        stages: writeStages(machine, base, places, { stages, ...operands, x: 0, gx: 0 }, shared, isBackward ? dPlane : undefined),
        xGradient: gradient?.x.pointer ?? 0,
        ...{ partialWindow, windowBytes, images: window.batch, imagesPerRange, nineBytes, dPlane },
        ...{ scratch: base + plan.scratch, scratchBytes },
      });
      if (gradient === undefined) return kernels.contractWindow(job, shared);
      kernels.contractWindowGradient(job, ranges, shared);
      kernels.addPartials(partialWindow, ranges, gradient.w.length, gradient.w.pointer, shared);
      addStages(machine, base, places, gradient.weights, shared);
      if (norm?.gradient === undefined || placed === undefined) return;
      const [gammaGradient, betaGradient] = [norm.gradient.gamma.pointer, norm.gradient.beta.pointer];
      finishGradient(machine, base, placed, { x, xGradient: gradient.x.pointer, gammaGradient, betaGradient });
    });
  }

  // The addresses of the operands are taken first: an operand that is not of this arena is refused before anything is allocated.
  const addresses = (x: Storage, w: Storage, weights: readonly Storage[], norm?: PrecedingNormStorages) => {
    team.check();
    for (const operand of norm === undefined ? [] : [norm.gamma, norm.beta]) memory.pointerOf(operand);
    return { x: memory.pointerOf(x), w: memory.pointerOf(w), weights: weights.map((each) => memory.pointerOf(each)) };
  };
  const resultOf = ({ window: { batch, outHeight, outWidth }, stages }: WindowStagesGeometry): ArenaStorage =>
    memory.allocate("float32", batch * outHeight * outWidth * rowsOut(stages.at(-1)!));
  const gradientOf = (x: Storage, w: Storage, weights: readonly Storage[]): Gradient => ({
    x: memory.allocate("float32", x.length),
    w: memory.allocate("float32", w.length),
    weights: weights.map(({ length }) => memory.allocate("float32", length)),
  });
  const ofChannels = ({ window }: WindowStagesGeometry): ArenaStorage => memory.allocate("float32", window.inChannels);

  return {
    contractWindow(x, w, weights, geometry) {
      if (isOther(geometry)) return composed.contractWindow(x, w, weights, geometry);
      const operands = addresses(x, w, weights);
      const y = resultOf(geometry);
      compute(geometry, { ...operands, g: 0, y: y.pointer }, undefined);
      return y;
    },

    contractWindowGradient(x, w, weights, g, geometry) {
      if (isOther(geometry)) return composed.contractWindowGradient(x, w, weights, g, geometry);
      const operands = { ...addresses(x, w, weights), g: memory.pointerOf(g), y: 0 };
      const gradient = gradientOf(x, w, weights);
      compute(geometry, operands, undefined, gradient);
      return gradient;
    },

    normContractWindow(x, norm, w, weights, geometry) {
      if (isOther(geometry)) return composed.normContractWindow(x, norm, w, weights, geometry);
      const operands = addresses(x, w, weights, norm);
      const [y, mean, variance] = [resultOf(geometry), ofChannels(geometry), ofChannels(geometry)];
      compute(geometry, { ...operands, g: 0, y: y.pointer }, { ...norm, mean, variance });
      return { y, mean, variance };
    },

    normContractWindowGradient(x, norm, w, weights, g, geometry) {
      if (isOther(geometry)) return composed.normContractWindowGradient(x, norm, w, weights, g, geometry);
      const operands = { ...addresses(x, w, weights, norm), g: memory.pointerOf(g), y: 0 };
      const gradient = gradientOf(x, w, weights);
      const ofNorm = { gamma: ofChannels(geometry), beta: ofChannels(geometry) };
      compute(geometry, operands, { ...norm, gradient: ofNorm }, gradient);
      return { ...gradient, ...ofNorm };
    },
  };
}
