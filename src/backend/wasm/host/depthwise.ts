/** Depthwise convolution (one filter for each channel): writes the job for assembly/depthwise.ts. */

import { type ConvolutionGeometry, convolutionMultiplyAdds } from "../../../core/convolution-geometry.ts";
import { depthwiseVectors } from "../shared/sizes.ts";
import type { ArenaMemory, ArenaStorage } from "./arena-memory.ts";
import { type ConvolutionPlan, forwardPlan, inputGradientPlan } from "./convolution-plan.ts";
import { type Machine, sharedWork } from "./machine.ts";
import { channelBytesOf, floatBytes, type PlaneTap, readBeyond, takePlanes, tapsOf, writeIntegers, writePlanes } from "./planes.ts";
import { Remembered } from "./remembered.ts";
import { ScratchLayout, wholeLines } from "./scratch-layout.ts";
import { fieldPositions, structBytes, writeStruct, writeStructs } from "./structs.ts";

export const isDepthwise = ({ groups, inChannels, outChannels }: ConvolutionGeometry): boolean =>
  groups > 1 && groups === inChannels && groups === outChannels;

export type DepthwiseKind = "forward" | "inputGradient" | "weightGradient";

/** Float operations of a chunk, at least: enough to outweigh claiming it. */
const chunkWork = 50_000;
/** Room in a thread's scratch memory for the results of one tile. */
export const resultsBytes = (run: number): number => floatBytes * run * depthwiseVectors;

const field = fieldPositions("DepthwiseVector");
const vectorWords = structBytes("DepthwiseVector") / floatBytes;

/**
 * A list of `DepthwiseVector`, one for every run of `run` results of a pass. The last one is repeated up to a multiple of
 * `depthwiseVectors`.
 */
export function vectorsOf(
  { y, x, pitch }: ConvolutionPlan,
  passY: number,
  passX: number,
  width: number,
  run: number,
): { count: number; table: Int32Array } {
  const [rows, columns] = [y.passes[passY]!, x.passes[passX]!];
  const count = rows.count * Math.ceil(columns.count / run);
  const table = new Int32Array(Math.ceil(count / depthwiseVectors) * depthwiseVectors * vectorWords);
  let at = 0;
  for (let r = 0; r < rows.count; r++)
    for (let c = 0; c < columns.count; c += run, at += vectorWords) {
      table[at + field.source] = floatBytes * (r * pitch + c);
      table[at + field.target] = floatBytes * ((rows.first + r * y.step) * width + columns.first + c * x.step);
      table[at + field.lanes] = Math.min(run, columns.count - c);
    }
  for (; at < table.length; at += vectorWords) table.copyWithin(at, at - vectorWords, at);
  return { count, table };
}

/** A list of passes, with the places of their tables in scratch memory. */
export interface DepthwisePasses {
  /** The place of the list of `DepthwisePass`. */
  readonly place: number;
  readonly list: readonly {
    readonly taps: readonly PlaneTap[];
    readonly tapsAt: number;
    readonly vectorCount: number;
    readonly vectors: Int32Array;
    readonly vectorsAt: number;
    readonly step: number;
    readonly contiguous: number;
  }[];
}

/** The passes of a plan that have taps, before they have places in scratch memory. */
interface PassTables {
  readonly contiguous: number;
  readonly withTaps: readonly { readonly taps: readonly PlaneTap[]; readonly count: number; readonly table: Int32Array }[];
}

/** The tables of each plan, by the sizes that they depend on too. */
const tables = new WeakMap<ConvolutionPlan, Remembered<PassTables>>();

function passTables(plan: ConvolutionPlan, kernelWidth: number, resultWidth: number, rows: number, run: number): PassTables {
  const { y, x } = plan;
  const ofPlan = tables.get(plan) ?? new Remembered<PassTables>();
  tables.set(plan, ofPlan);
  return ofPlan.get(`${kernelWidth} ${resultWidth} ${rows} ${run}`, () => {
    const withTaps = y.passes.flatMap((_, passY) =>
      x.passes.flatMap((_, passX) => {
        const taps = tapsOf(plan, passY, passX, kernelWidth, rows);
        return taps.length === 0 ? [] : [{ taps, ...vectorsOf(plan, passY, passX, resultWidth, run) }];
      }),
    );
    return { withTaps, contiguous: Number(withTaps.length === 1 && x.step * y.step === 1 && resultWidth % run === 0) };
  });
}

/** The passes of a plan that have taps, in planes of `rows` rows, with results of `resultWidth` columns. */
export function takePasses(
  layout: ScratchLayout,
  plan: ConvolutionPlan,
  kernelWidth: number,
  resultWidth: number,
  rows: number,
  run: number,
): DepthwisePasses {
  const { withTaps, contiguous } = passTables(plan, kernelWidth, resultWidth, rows, run);
  return {
    place: layout.take(structBytes("DepthwisePass") * withTaps.length),
    list: withTaps.map(({ taps, count, table }) => ({
      taps,
      tapsAt: layout.take(structBytes("DepthwiseTap") * taps.length),
      vectorCount: count,
      vectors: table,
      vectorsAt: layout.take(table.byteLength),
      step: plan.x.step,
      contiguous,
    })),
  };
}

/** Writes the passes into the scratch memory at `base`, and returns the address of their list. */
export function writePasses(memory: ArenaMemory, base: number, { place, list }: DepthwisePasses): number {
  for (const { taps, tapsAt, vectors, vectorsAt } of list) {
    writeStructs(memory, base + tapsAt, "DepthwiseTap", taps);
    writeIntegers(memory, base + vectorsAt, vectors);
  }
  writeStructs(
    memory,
    base + place,
    "DepthwisePass",
    list.map(({ taps, tapsAt, vectorCount, vectorsAt, step, contiguous }) => ({
      ...{ taps: taps.length, list: base + tapsAt, vectorCount, vectors: base + vectorsAt, step, contiguous },
    })),
  );
  return base + place;
}

/** Whether there are pixels that no pass writes, because no tap reaches them: where the stride is larger than the kernel. */
export const leavesPixels = ({ y, x }: ConvolutionPlan, { list }: DepthwisePasses): boolean =>
  list.length < y.passes.length * x.passes.length;

/**
 * Runs a depthwise convolution or one of its gradients. `source` is the address of x, or of g in the input gradient; `factor` is the
 * address of w, or of g in the weight gradient. The target must not be empty.
 */
export function runDepthwise(
  { kernels, memory, team }: Machine,
  kind: DepthwiseKind,
  source: number,
  factor: number,
  target: ArenaStorage,
  geometry: ConvolutionGeometry,
): void {
  const { batch, groups: channels, kernelHeight, kernelWidth, height, width, outHeight, outWidth } = geometry;
  const run = kernels.convRun.value;
  const plan = kind === "inputGradient" ? inputGradientPlan(geometry, run) : forwardPlan(geometry, run);
  const { y, direct } = plan;
  const [resultHeight, resultWidth] = kind === "inputGradient" ? [height, width] : [outHeight, outWidth];
  const rows = direct ? y.size : y.count + y.reach;
  const layout = new ScratchLayout();
  const passes = takePasses(layout, plan, kernelWidth, resultWidth, rows, run);
  if (leavesPixels(plan, passes)) target.view.fill(0);
  const at = {
    planes: takePlanes(layout, plan),
    job: layout.take(structBytes("DepthwiseJob")),
  };
  const scratchBytes = wholeLines(resultsBytes(run) + (direct ? 0 : channelBytesOf(plan, rows)) + readBeyond);
  const scratch = layout.take(scratchBytes * team.threads);
  const work = 2 * convolutionMultiplyAdds(geometry);
  const planeCount = batch * channels;

  memory.withScratch(layout.bytes, (base) => {
    writeStruct(memory, base + at.job, "DepthwiseJob", {
      planes: writePlanes(memory, base, at.planes, plan),
      source,
      weights: factor,
      target: target.pointer,
      targetPlane: floatBytes * resultHeight * resultWidth,
      channels,
      kernel: kernelHeight * kernelWidth,
      planeCount,
      planesPerChunk: Math.max(1, Math.ceil((planeCount * chunkWork) / work)),
      rows,
      passes: writePasses(memory, base, passes),
      passCount: passes.list.length,
      scratch: base + scratch,
      scratchBytes,
    });
    if (kind === "weightGradient") kernels.depthwiseWeightGradient(base + at.job, work > sharedWork);
    else kernels.depthwise(base + at.job, work > sharedWork);
  });
}
