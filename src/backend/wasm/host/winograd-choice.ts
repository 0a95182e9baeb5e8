/**
 * Whether a convolution runs by Winograd's algorithm or directly: a rule of the shape and the build, never of a clock, so results repeat.
 *
 * Both costs are in multiply-adds of the tiles. A direct convolution has 36 for each window of 2×2 outputs and each pair of channels.
 * Winograd's has 16, and what its transforms cost: for each window and channel, and for each kernel. The constants of the transforms were
 * fitted to times of both algorithms on 3 to 128 channels and images of 4×4 to 32×32 (docs/benchmarks.md).
 */

import type { ConvolutionGeometry } from "../../../core/convolution-geometry.ts";

export type ConvolutionRole = "forward" | "inputGradient" | "weightGradient";

/** The tiles of a build (tiles.mjs): of matrix multiplication, and the run of pixels of the direct convolution. */
export interface BuildTiles {
  readonly gemmRows: number;
  readonly gemmColumns: number;
  readonly convRun: number;
}

/** Cost of the transforms, in multiply-adds: of one window of one channel, and of one 3×3 kernel. */
interface TransformCosts {
  readonly window: number;
  readonly kernel: number;
}

/** A multiply-add of a wide tile takes half the time, so the same transforms count for more of them. */
const transformCosts = {
  narrow: { correlation: { window: 75, kernel: 150 }, weightGradient: { window: 150, kernel: 150 } },
  wide: { correlation: { window: 110, kernel: 350 }, weightGradient: { window: 200, kernel: 300 } },
} satisfies Record<string, Record<"correlation" | "weightGradient", TransformCosts>>;

/** A tile of the weight gradient should add up so many windows to outweigh its start and its end. */
export const windowsOfAPiece = 64;
/** The pieces are divided into at most so many ranges, which keep a few threads busy to the end. Each is transformed back on its own. */
export const mostRanges = 8;

const roundUp = (value: number, step: number): number => Math.ceil(value / step) * step;

/** Winograd's algorithm exists for kernels of 3×3, stride 1, without dilation and groups. */
const isApplicable = (g: ConvolutionGeometry): boolean =>
  g.kernelHeight === 3 && g.kernelWidth === 3 && g.strideY * g.strideX * g.dilationY * g.dilationX * g.groups === 1;

/** Whether Winograd's algorithm is expected to be the faster one. */
export function choosesWinograd(role: ConvolutionRole, g: ConvolutionGeometry, tiles: BuildTiles): boolean {
  if (!isApplicable(g)) return false;
  const costs = transformCosts[tiles.convRun > 4 ? "wide" : "narrow"];
  const { inChannels, outChannels, batch } = g;
  const [height, width] = role === "inputGradient" ? [g.height, g.width] : [g.outHeight, g.outWidth];
  // Both algorithms round a row up: the direct one to a run of pixels, Winograd's to four windows.
  const direct = 9 * batch * height * roundUp(width, tiles.convRun) * inChannels * outChannels;
  const windows = batch * Math.ceil(height / 2) * (roundUp(width, 8) / 2);
  if (role === "weightGradient") {
    const products = 16 * windows * roundUp(outChannels, tiles.gemmRows) * roundUp(inChannels, tiles.gemmColumns);
    const ranges = Math.min(mostRanges, Math.ceil(windows / windowsOfAPiece));
    const { window, kernel } = costs.weightGradient;
    return products + window * windows * (inChannels + outChannels) + ranges * kernel * inChannels * outChannels < direct;
  }
  const [source, target] = role === "forward" ? [inChannels, outChannels] : [outChannels, inChannels];
  // A panel of windows is always computed whole.
  const inPanels = batch * roundUp(windows / batch, tiles.gemmColumns);
  const products = 16 * inPanels * source * roundUp(target, tiles.gemmRows);
  const { window, kernel } = costs.correlation;
  return products + window * windows * (source + target) + kernel * source * target < direct;
}
