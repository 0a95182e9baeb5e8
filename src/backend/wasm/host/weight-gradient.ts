/** The weight gradient of a convolution: chooses how many images a chunk takes and writes the job for assembly/conv-weight-gradient.ts. */

import { type ConvolutionGeometry, convolutionMultiplyAdds } from "../../../core/convolution-geometry.ts";
import type { ArenaStorage } from "./arena-memory.ts";
import { forwardPlan } from "./convolution-plan.ts";
import { type Machine, sharedWork } from "./machine.ts";
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
import { structBytes, writeStruct } from "./structs.ts";

const enoughChunks = 8;
/** Above this many bytes a partial gradient is large, and there are fewer of them. */
const largeGradient = 2 ** 18;
/** A tile should go over at least so many runs of pixels to outweigh its start and its end. */
const runsOfATile = 64;
/** Sums of one tile: 4 output channels × 2 taps. Each may have the lanes of the longest run. */
const sumsOfATile = 8;

/** How the work is divided: images that a tile runs over, images of a range, ranges, and how the output channels of a range are split. */
function divide(
  { batch, outHeight, outWidth }: ConvolutionGeometry,
  outChannels: number,
  imageBytes: number,
  gradientBytes: number,
  run: number,
) {
  const runs = outHeight * Math.ceil(outWidth / run);
  const imagesAtOnce = Math.max(1, Math.min(Math.ceil(runsOfATile / runs), Math.floor(planesLimit / imageBytes), batch));
  const mostRanges = gradientBytes > largeGradient ? enoughChunks : 4 * enoughChunks;
  const imagesPerRange = Math.ceil(Math.ceil(batch / imagesAtOnce) / mostRanges) * imagesAtOnce;
  const ranges = Math.ceil(batch / imagesPerRange);
  const blocks = Math.ceil(outChannels / 4);
  const blocksPerSplit = Math.ceil(blocks / Math.min(blocks, Math.ceil(enoughChunks / ranges)));
  return { runs, imagesAtOnce, imagesPerRange, ranges, blocksPerSplit, splits: Math.ceil(blocks / blocksPerSplit) };
}

/** `x` and `g` are addresses. The target must not be empty. */
export function runWeightGradient(
  { kernels, memory, team }: Machine,
  x: number,
  g: number,
  target: ArenaStorage,
  geometry: ConvolutionGeometry,
): void {
  const { batch, groups, height, width, outHeight, outWidth } = geometry;
  const [channels, outChannels] = [geometry.inChannels / groups, geometry.outChannels / groups];
  // Rows of four pixels would leave half of a longer run empty.
  const run = outWidth === 4 ? 4 : kernels.convRun.value;
  const plan = forwardPlan(geometry, run);
  const rows = plan.direct ? plan.y.size : plan.y.count + plan.y.reach;
  const channelBytes = channelBytesOf(plan, rows);
  const taps = tapsOf(plan, 0, 0, geometry.kernelWidth, rows);
  const tapCount = taps.length * channels;
  const imageBytes = channels * channelBytes;
  const partialBytes = floatBytes * target.length;
  const { runs, imagesAtOnce, imagesPerRange, ranges, blocksPerSplit, splits } = divide(
    geometry,
    outChannels,
    imageBytes,
    partialBytes,
    run,
  );

  const layout = new ScratchLayout();
  const at = {
    planes: takePlanes(layout, plan),
    job: layout.take(structBytes("WeightGradientJob")),
    offsets: layout.take(floatBytes * tapCount),
    runs: layout.take(floatBytes * runs),
  };
  const partials = layout.take(ranges > 1 ? ranges * partialBytes : 0);
  const scratchBytes = wholeLines(
    floatBytes * kernels.convRun.value * sumsOfATile + (plan.direct ? 0 : imagesAtOnce * imageBytes) + readBeyond,
  );
  const scratch = layout.take(scratchBytes * team.threads);
  const shared = 2 * convolutionMultiplyAdds(geometry) > sharedWork;

  memory.withScratch(layout.bytes, (base) => {
    const partial = ranges > 1 ? base + partials : target.pointer;
    writeIntegers(memory, base + at.offsets, channelOffsets(taps, channels, channelBytes));
    // Short rows of whole runs are listed, because loops over so few runs would be too short.
    const listed = outWidth % run === 0 && outWidth < 8 * run;
    const perRow = outWidth / run;
    if (listed)
      writeIntegers(
        memory,
        base + at.runs,
        Array.from({ length: runs }, (_, r) => floatBytes * (run * (r % perRow) + plan.pitch * Math.floor(r / perRow))),
      );
    writeStruct(memory, base + at.job, "WeightGradientJob", {
      planes: writePlanes(memory, base, at.planes, plan),
      x,
      xImage: floatBytes * groups * channels * height * width,
      g,
      gImage: floatBytes * groups * outChannels * outHeight * outWidth,
      partial,
      partialBytes,
      groups,
      channels,
      outChannels,
      taps: tapCount,
      offsets: base + at.offsets,
      rows: outHeight,
      columns: outWidth,
      extraRows: plan.y.reach,
      images: batch,
      imagesPerRange,
      imagesAtOnce,
      blocksPerSplit,
      splits,
      run,
      runs: base + at.runs,
      runCount: listed ? runs : 0,
      scratch: base + scratch,
      scratchBytes,
    });
    kernels.weightGradient(base + at.job, ranges, shared);
    if (ranges > 1) kernels.addPartials(partial, ranges, target.length, target.pointer, shared);
  });
}
