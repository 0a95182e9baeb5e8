/** The convolution and its input gradient as one kernel (assembly/conv-correlate.ts): chooses the bands and writes the job. */

import { jobAddress } from "../shared/sizes.ts";
import type { ArenaStorage } from "./arena-memory.ts";
import type { ConvolutionPlan } from "./convolution-plan.ts";
import type { Machine } from "./machine.ts";
import {
  channelBytesOf,
  channelOffsets,
  floatBytes,
  planesLimit,
  readBeyond,
  takePlanes,
  tapsOf,
  writeIntegers,
  writePlanes,
} from "./planes.ts";
import { ScratchLayout, wholeLines } from "./scratch-layout.ts";
import { structBytes, writeStruct, writeStructs } from "./structs.ts";

/** So many chunks keep a few threads busy to the end. There are more only where a chunk would be too large. */
const enoughChunks = 8;
/** Output channels that the kernel computes together: a block. */
const blockChannels = 4;
/** Room in a thread's scratch memory for the sums of one tile: two runs of each channel. */
const sumsBytes = (run: number): number => floatBytes * blockChannels * 2 * run;

/** The roles of x, w and y in a correlation, forward or backward. */
export interface Correlation {
  readonly plan: ConvolutionPlan;
  readonly source: number;
  readonly weights: number;
  readonly target: ArenaStorage;
  readonly batch: number;
  readonly groups: number;
  /** Channels of one group. */
  readonly channels: number;
  readonly outChannels: number;
  readonly targetHeight: number;
  readonly targetWidth: number;
  readonly kernelWidth: number;
  /** Distances in w, in elements, of output channels, of input channels and of groups. */
  readonly strideOut: number;
  readonly strideIn: number;
  readonly groupStride: number;
  readonly shared: boolean;
}

/**
 * Rows of a band: the whole image, or fewer rows where the batch is too small to share or the planes are too large to stay in the cache.
 */
function bandRowsOf({ plan, batch, channels }: Correlation): number {
  const { y, direct } = plan;
  const fitting = direct ? y.count : Math.max(4, Math.floor(planesLimit / (channels * channelBytesOf(plan, 1))) - y.reach);
  const sharing = Math.max(4, Math.ceil(y.count / Math.max(1, Math.ceil(enoughChunks / batch))));
  return Math.min(y.count, fitting, sharing);
}

/**
 * A first-level cache finds a line by the low 12 bits of its address and keeps 8 lines that agree in these bits.
 * Channels that lie a multiple of
 * 1 KB apart would compete for a few places, so their planes are copied with a wider pitch, which spreads them.
 */
const isCrowded = (channelBytes: number, channels: number): boolean => channelBytes % 1024 === 0 && channels > 8;

/** The plan as it will run: whether planes are copied, in which bands, and with which pitch. */
function fitted(c: Correlation): { plan: ConvolutionPlan; bandRows: number } {
  const { y, x } = c.plan;
  const direct = c.plan.direct && !isCrowded(floatBytes * y.size * x.size, c.channels);
  const plan = { ...c.plan, direct };
  const bandRows = bandRowsOf({ ...c, plan });
  if (direct) return { plan, bandRows };
  const crowded = isCrowded(channelBytesOf(plan, bandRows + y.reach), c.channels);
  return { plan: crowded ? { ...plan, pitch: plan.pitch + 4 } : plan, bandRows };
}

/** The passes that have taps, with the places of their tables in scratch memory. */
function passesOf({ channels, outChannels, groups, kernelWidth }: Correlation, plan: ConvolutionPlan, rows: number, layout: ScratchLayout) {
  const { y, x } = plan;
  return y.passes.flatMap((passY, atY) =>
    x.passes.flatMap((passX, atX) => {
      const taps = tapsOf(plan, atY, atX, kernelWidth, rows);
      const count = taps.length * channels;
      if (count === 0) return [];
      const groupBytes = floatBytes * blockChannels * Math.ceil(outChannels / blockChannels) * count;
      return {
        passY,
        passX,
        taps,
        count,
        groupBytes,
        list: layout.take(floatBytes * taps.length),
        offsets: layout.take(floatBytes * count),
        weights: layout.take(groups * groupBytes),
      };
    }),
  );
}

/** Runs a correlation. The target must not be empty. */
export function runCorrelation({ kernels, memory, team }: Machine, c: Correlation): void {
  const { batch, groups, channels, outChannels } = c;
  const { plan, bandRows } = fitted(c);
  const { y, x, direct } = plan;
  const rows = direct ? y.size : bandRows + y.reach;
  const channelBytes = channelBytesOf(plan, rows);
  const layout = new ScratchLayout();
  const passes = passesOf(c, plan, rows, layout);
  // A stride beyond the kernel leaves pixels that no tap reaches. No pass writes these pixels.
  if (passes.length < y.passes.length * x.passes.length) c.target.view.fill(0);
  const at = {
    planes: takePlanes(layout, plan),
    job: layout.take(structBytes("CorrelateJob")),
    passes: layout.take(structBytes("CorrelatePass") * passes.length),
  };
  const scratchBytes = wholeLines(sumsBytes(kernels.convRun.value) + (direct ? 0 : channels * channelBytes) + readBeyond);
  const scratch = layout.take(scratchBytes * team.threads);
  const targetPlane = floatBytes * c.targetHeight * c.targetWidth;

  memory.withScratch(layout.bytes, (base) => {
    for (const { taps, list, offsets, weights } of passes) {
      writeIntegers(
        memory,
        base + list,
        taps.map(({ index }) => index),
      );
      writeIntegers(memory, base + offsets, channelOffsets(taps, channels, channelBytes));
      writeStruct(memory, jobAddress, "PackJob", {
        source: c.weights,
        target: base + weights,
        taps: base + list,
        tapCount: taps.length,
        outChannels,
        inChannels: channels,
        strideOut: c.strideOut,
        strideIn: c.strideIn,
        groupStride: c.groupStride,
        blocks: Math.ceil(outChannels / blockChannels),
      });
      kernels.packWeights(groups, c.shared);
    }
    writeStructs(
      memory,
      base + at.passes,
      "CorrelatePass",
      passes.map(({ passY, passX, count, groupBytes, offsets, weights }) => ({
        taps: count,
        offsets: base + offsets,
        weights: base + weights,
        weightsGroup: groupBytes,
        rows: passY.count,
        columns: passX.count,
        target: floatBytes * (passY.first * c.targetWidth + passX.first),
        targetRow: floatBytes * y.step * c.targetWidth,
        targetColumn: x.step,
      })),
    );
    writeStruct(memory, base + at.job, "CorrelateJob", {
      planes: writePlanes(memory, base, at.planes, plan),
      source: c.source,
      sourceImage: floatBytes * groups * channels * y.size * x.size,
      target: c.target.pointer,
      targetImage: groups * outChannels * targetPlane,
      targetPlane,
      groups,
      channels,
      outChannels,
      passes: base + at.passes,
      passCount: passes.length,
      bands: Math.ceil(y.count / bandRows),
      bandRows,
      extraRows: y.reach,
      scratch: base + scratch,
      scratchBytes,
    });
    kernels.correlate(base + at.job, batch, c.shared);
  });
}
