/**
 * The weight gradient of a 3×3 convolution with stride 1 by Winograd's F(3×3, 2×2): divides the work and writes the job for
 * assembly/winograd-weight-gradient.ts.
 */

import { type ConvolutionGeometry, convolutionMultiplyAdds } from "../../../core/convolution-geometry.ts";
import type { ArenaStorage } from "./arena-memory.ts";
import { forwardPlan } from "./convolution-plan.ts";
import { type Machine, sharedWork } from "./machine.ts";
import { channelBytesOf, floatBytes, readBeyond, takePlanes, writePlanes } from "./planes.ts";
import { ScratchLayout, wholeLines } from "./scratch-layout.ts";
import { structBytes, writeStruct } from "./structs.ts";
import { foundNonFinite, inEvenAndOdd, placeDistance, places, quadColumns } from "./winograd.ts";
import { mostRanges, windowsOfAPiece } from "./winograd-choice.ts";

/** How the windows are divided into pieces, and the pieces into ranges. */
function divide({ batch, outHeight }: ConvolutionGeometry, perRow: number) {
  const windowRows = Math.ceil(outHeight / 2);
  const imagesAtOnce = Math.min(batch, Math.max(1, Math.floor(windowsOfAPiece / (windowRows * perRow))));
  const bands = imagesAtOnce > 1 ? 1 : Math.max(1, Math.round((windowRows * perRow) / windowsOfAPiece));
  const rowsOfABand = Math.ceil(windowRows / bands);
  const used = Math.ceil(windowRows / rowsOfABand);
  const pieces = Math.ceil(batch / imagesAtOnce) * used;
  const piecesPerRange = Math.ceil(pieces / mostRanges);
  return {
    imagesAtOnce,
    bands: used,
    bandRows: 2 * rowsOfABand,
    pieces,
    piecesPerRange,
    ranges: Math.ceil(pieces / piecesPerRange),
    windows: imagesAtOnce * rowsOfABand * perRow,
  };
}

/** `x` and `g` are addresses. Returns false where a result is NaN or infinite: then the target must be computed in another way. */
export function runWinogradWeightGradient(
  { kernels, memory, team }: Machine,
  x: number,
  g: number,
  target: ArenaStorage,
  geometry: ConvolutionGeometry,
): boolean {
  const { batch, inChannels: channels, outChannels, outHeight, outWidth } = geometry;
  const [tileRows, tileColumns] = [kernels.gemmRows.value, kernels.gemmColumns.value];
  const windowsOfARow = 4 * Math.ceil(outWidth / quadColumns);
  const planX = inEvenAndOdd(forwardPlan(geometry, quadColumns), windowsOfARow + 4);
  const ofG = (size: number) => ({ ...planX.y, size, padding: 0 });
  const planG = inEvenAndOdd({ ...planX, y: ofG(outHeight), x: ofG(outWidth) }, windowsOfARow);
  const { imagesAtOnce, bands, bandRows, pieces, piecesPerRange, ranges, windows } = divide(geometry, windowsOfARow);
  const [paddedOut, paddedIn] = [tileRows * Math.ceil(outChannels / tileRows), tileColumns * Math.ceil(channels / tileColumns)];
  const [stepStage, stepX, stepG, stepM] = [
    placeDistance(windows * Math.max(tileRows, tileColumns)),
    placeDistance(windows * paddedIn),
    placeDistance(windows * paddedOut),
    placeDistance(paddedIn * paddedOut),
  ];
  const partialBytes = floatBytes * target.length;
  const layout = new ScratchLayout();
  const at = {
    planesX: takePlanes(layout, planX),
    planesG: takePlanes(layout, planG),
    job: layout.take(structBytes("WinogradGradientJob")),
  };
  const partials = layout.take(ranges > 1 ? ranges * partialBytes : 0);
  const scratchBytes = wholeLines(places * (stepStage + stepX + stepG + stepM) + channelBytesOf(planX, bandRows + 2) + readBeyond);
  const scratch = layout.take(scratchBytes * team.threads);
  const shared = 2 * convolutionMultiplyAdds(geometry) > sharedWork;
  return memory.withScratch(layout.bytes, (base) => {
    const partial = ranges > 1 ? base + partials : target.pointer;
    const job = base + at.job;
    writeStruct(memory, job, "WinogradGradientJob", {
      planesX: writePlanes(memory, base, at.planesX, planX),
      planesG: writePlanes(memory, base, at.planesG, planG),
      x,
      xImage: floatBytes * channels * planX.y.size * planX.x.size,
      g,
      gImage: floatBytes * outChannels * outHeight * outWidth,
      partial,
      partialBytes,
      channels,
      outChannels,
      images: batch,
      imagesAtOnce,
      bands,
      bandRows,
      pieces,
      piecesPerRange,
      stepStage,
      stepX,
      stepG,
      stepM,
      scratch: base + scratch,
      scratchBytes,
      nonFinite: 0,
    });
    kernels.winogradWeightGradient(job, ranges, shared);
    if (foundNonFinite(memory, job, "WinogradGradientJob")) return false;
    if (ranges > 1) kernels.addPartials(partial, ranges, target.length, target.pointer, shared);
    return true;
  });
}
