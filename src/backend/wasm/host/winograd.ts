/**
 * The convolution of 3×3 kernels with stride 1 and its input gradient by Winograd's F(2×2, 3×3): divides the work and writes the job for
 * assembly/winograd.ts.
 */

import { jobAddress } from "../shared/sizes.ts";
import type { ArenaMemory } from "./arena-memory.ts";
import type { ConvolutionPlan } from "./convolution-plan.ts";
import type { Correlation } from "./correlation.ts";
import type { Machine } from "./machine.ts";
import { channelBytesOf, floatBytes, readBeyond, takePlanes, tapsOf, writeIntegers, writePlanes } from "./planes.ts";
import { cacheLine, ScratchLayout, wholeLines } from "./scratch-layout.ts";
import { fieldPositions, structBytes, writeStruct } from "./structs.ts";

/** Places of a transformed window. */
export const places = 16;
/** Outputs of a row that the kernel computes together: those of a quad of windows. */
export const quadColumns = 8;
/** A thread's copy of the planes shares its second-level cache with the transformed weights and windows. */
const planesLimit = 128 * 1024;
const enoughChunks = 8;
/** Bytes of the outputs of one channel, for each window of a run of quads: 2×2 floats. */
const outputBytes = 4 * floatBytes;

/**
 * The distance of two places that hold `count` floats each. Distances that are a multiple of 4096 bytes would make all places compete for
 * the same lines of the first-level cache, so a line is left between them.
 */
export const placeDistance = (count: number): number => wholeLines(floatBytes * count) + cacheLine;

/**
 * The plan with even and odd columns in planes of their own. The windows of a row begin at even columns, so neighbouring windows find each
 * of their columns in neighbouring elements of a plane.
 */
export const inEvenAndOdd = (plan: ConvolutionPlan, pitch: number): ConvolutionPlan => ({
  y: plan.y,
  x: { ...plan.x, stride: 2, phases: [0, 1] },
  direct: false,
  pitch,
});

/** Whether the kernel that ran the job at `pointer` found a result that is NaN or infinite. */
export const foundNonFinite = ({ integers }: ArenaMemory, pointer: number, name: "WinogradJob" | "WinogradGradientJob"): boolean =>
  integers[pointer / integers.BYTES_PER_ELEMENT + fieldPositions(name).nonFinite] !== 0;

/**
 * Rows of a band, an even number unless it is the whole image: so many that the planes fit, that the work can be shared, and that the
 * `leastRows` of windows fill a panel.
 */
function bandRowsOf(rows: number, rowBytes: number, batch: number, leastRows: number): number {
  const fitting = Math.floor(planesLimit / rowBytes) - 2;
  const sharing = Math.ceil(rows / Math.max(1, Math.ceil(enoughChunks / batch)));
  const most = Math.min(rows, Math.max(leastRows, Math.min(fitting, sharing)));
  return most === rows ? rows : 2 * Math.ceil(Math.ceil(rows / Math.ceil(rows / most)) / 2);
}

/** Runs a correlation. Returns false where a result is NaN or infinite: then the target must be computed in another way. */
export function runWinograd({ kernels, memory, team }: Machine, c: Correlation): boolean {
  const { batch, channels, outChannels, targetHeight: rows, targetWidth: columns } = c;
  const [tileRows, tileColumns] = [kernels.gemmRows.value, kernels.gemmColumns.value];
  const quadsOfARow = Math.ceil(columns / quadColumns);
  const plan = inEvenAndOdd(c.plan, 4 * quadsOfARow + 4);
  const leastRows = 2 * Math.ceil(tileColumns / 4 / quadsOfARow);
  const bandRows = bandRowsOf(rows, channels * channelBytesOf(plan, 1), batch, leastRows);
  const taps = tapsOf(plan, 0, 0, c.kernelWidth, bandRows + 2).toSorted((a, b) => a.offset - b.offset);
  const paddedOut = tileRows * Math.ceil(outChannels / tileRows);
  const [stepU, stepV, stepM] = [
    placeDistance(paddedOut * channels),
    placeDistance(tileColumns * channels),
    placeDistance(tileColumns * paddedOut),
  ];
  const layout = new ScratchLayout();
  const at = {
    planes: takePlanes(layout, plan),
    job: layout.take(structBytes("WinogradJob")),
    taps: layout.take(floatBytes * taps.length),
    weights: layout.take(places * stepU),
  };
  const outputsBytes = outputBytes * kernels.convRun.value;
  const scratchBytes = wholeLines(places * (stepV + stepM) + outputsBytes + channels * channelBytesOf(plan, bandRows + 2) + readBeyond);
  const scratch = layout.take(scratchBytes * team.threads);
  const targetPlane = floatBytes * rows * columns;
  return memory.withScratch(layout.bytes, (base) => {
    writeIntegers(
      memory,
      base + at.taps,
      taps.map(({ index }) => index),
    );
    writeStruct(memory, jobAddress, "WinogradWeightsJob", {
      source: c.weights,
      target: base + at.weights,
      taps: base + at.taps,
      step: stepU,
      outChannels,
      inChannels: channels,
      strideOut: c.strideOut,
      strideIn: c.strideIn,
    });
    kernels.winogradWeights(c.shared);
    const job = base + at.job;
    writeStruct(memory, job, "WinogradJob", {
      planes: writePlanes(memory, base, at.planes, plan),
      source: c.source,
      sourceImage: floatBytes * channels * plan.y.size * plan.x.size,
      target: c.target.pointer,
      targetImage: outChannels * targetPlane,
      targetPlane,
      channels,
      outChannels,
      rows,
      columns,
      bands: Math.ceil(rows / bandRows),
      bandRows,
      weights: base + at.weights,
      stepU,
      stepV,
      stepM,
      scratch: base + scratch,
      scratchBytes,
      nonFinite: 0,
    });
    kernels.winograd(job, batch, c.shared);
    return !foundNonFinite(memory, job, "WinogradJob");
  });
}
