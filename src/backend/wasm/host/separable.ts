/**
 * The separable convolution and its gradients: divides the work and writes the jobs for assembly/separable.ts and
 * assembly/separable-gradient.ts.
 */

import type { ConvolutionGeometry } from "../../../core/convolution-geometry.ts";
import { type SeparableGeometry, separableMultiplyAdds } from "../../../core/separable-geometry.ts";
import type { Kernels } from "../../kernels.ts";
import type { Acceptances } from "../../overlay.ts";
import { jobAddress } from "../shared/sizes.ts";
import type { ArenaMemory } from "./arena-memory.ts";
import { type ConvolutionPlan, forwardPlan, inputGradientPlan } from "./convolution-plan.ts";
import { leavesPixels, resultsBytes, takePasses, vectorsOf, writePasses } from "./depthwise.ts";
import { isFloat32, type Machine, sharedWork } from "./machine.ts";
import { channelBytesOf, floatBytes, readBeyond, takePlanes, tapsOf, writeIntegers, writePlanes } from "./planes.ts";
import { cacheLine, ScratchLayout, wholeLines } from "./scratch-layout.ts";
import { fieldPositions, structBytes, writeStruct, writeStructs } from "./structs.ts";

type Separable = "separableConv2d" | "separableConv2dGradient";

export const separableAcceptances: Acceptances<Separable> = {
  separableConv2d: { dtypes: ["float32"], accepts: (x) => isFloat32(x) },
  separableConv2dGradient: { dtypes: ["float32"], accepts: (x) => isFloat32(x) },
};

/** The panels of a band should take at most this part of a second-level cache. */
const panelsLimit = 256 * 1024;
/** So many chunks keep a few threads busy to the end. */
const enoughChunks = 8;
/** Partial gradients are added up, so there are not more of them than a few threads need. */
const mostRanges = 16;
/** The dot products of the map's gradient should run over so many pixels to outweigh the sums of their lanes at the end. */
const pixelsOfAGroup = 256;
/** Rows of the map that are packed together (assembly/separable.ts). */
const blockRows = 4;
/** A panel is so many runs of pixels. */
const runsOfAPanel = 2;

const field = fieldPositions("DepthwiseVector");
const vectorWords = structBytes("DepthwiseVector") / floatBytes;

/** Bytes of a panel with so many channels (`panelBytes` in assembly/separable.ts). */
const panelBytes = (channels: number, run: number): number => floatBytes * channels * runsOfAPanel * run + cacheLine;
/** Panels for which there must be room, because the window writes three at a time. */
const paddedPanels = (panels: number): number => 3 * Math.ceil(panels / 3);

/** A band of rows of the output. */
interface Band {
  readonly firstRow: number;
  readonly rows: number;
  readonly panels: number;
  readonly whole: boolean;
  readonly vectors: Int32Array;
  readonly vectorsAt: number;
}

/** The bands of an image, with the places of their tables in scratch memory. */
interface Bands {
  readonly list: readonly Band[];
  /** Rows of every phase of x's planes that a band reads. */
  readonly planeRows: number;
  readonly taps: ReturnType<typeof tapsOf>;
  readonly tapsAt: number;
  readonly passesAt: number;
  readonly bandsAt: number;
  /** Panels of the largest band. */
  readonly panels: number;
}

/** Rows of a band of at most `limit` bytes of panels. An odd number of runs would leave half of a panel empty. */
function bandRowsOf(rows: number, runsOfARow: number, rowBytes: number, limit: number): number {
  const fitting = Math.max(1, Math.min(rows, Math.floor(limit / rowBytes)));
  const even = Math.ceil(rows / Math.ceil(rows / fitting));
  return even < rows && (even * runsOfARow) % 2 === 1 ? even + 1 : even;
}

function takeBands(layout: ScratchLayout, plan: ConvolutionPlan, kernelWidth: number, width: number, bandRows: number, run: number): Bands {
  const { y, direct } = plan;
  const planeRows = direct ? y.size : bandRows + y.reach;
  const taps = tapsOf(plan, 0, 0, kernelWidth, planeRows);
  const list = Array.from({ length: Math.ceil(y.count / bandRows) }, (_, i) => {
    const first = i * bandRows;
    const rows = { ...y.passes[0]!, first, count: Math.min(bandRows, y.count - first) };
    const { count, table } = vectorsOf({ ...plan, y: { ...y, passes: [rows] } }, 0, 0, width, run);
    // The table repeats the last vector. The repetitions have no pixels of their own.
    for (let vector = count; vector * vectorWords < table.length; vector++) table[vector * vectorWords + field.lanes] = 0;
    return {
      firstRow: first,
      rows: rows.count,
      panels: Math.ceil(count / runsOfAPanel),
      whole: width % run === 0 && count % runsOfAPanel === 0,
      vectors: table,
      vectorsAt: layout.take(table.byteLength),
    };
  });
  return {
    list,
    planeRows,
    taps,
    tapsAt: layout.take(structBytes("DepthwiseTap") * taps.length),
    passesAt: layout.take(structBytes("DepthwisePass") * list.length),
    bandsAt: layout.take(structBytes("Band") * list.length),
    panels: list[0]!.panels,
  };
}

/** Writes the bands into the scratch memory at `base`, and returns the address of their list. */
function writeBands(memory: ArenaMemory, base: number, { list, planeRows, taps, tapsAt, passesAt, bandsAt }: Bands): number {
  writeStructs(memory, base + tapsAt, "DepthwiseTap", taps);
  for (const { vectors, vectorsAt } of list) writeIntegers(memory, base + vectorsAt, vectors);
  writeStructs(
    memory,
    base + passesAt,
    "DepthwisePass",
    list.map(({ panels, vectorsAt }) => ({
      ...{ taps: taps.length, list: base + tapsAt, vectorCount: runsOfAPanel * panels, vectors: base + vectorsAt, step: 1, contiguous: 0 },
    })),
  );
  writeStructs(
    memory,
    base + bandsAt,
    "Band",
    list.map(({ firstRow, rows, panels, whole }, i) => ({
      ...{ firstRow, planeRows, rows, pass: base + passesAt + i * structBytes("DepthwisePass"), panels, whole: Number(whole) },
    })),
  );
  return base + bandsAt;
}

/** Bytes of a matrix of `rows` × `columns` that is packed in blocks of rows. */
const packedBytes = (rows: number, columns: number): number => floatBytes * blockRows * Math.ceil(rows / blockRows) * columns;

/** Packs P as [O/4][C][4], or Pᵀ as [C/4][O][4], with the kernel that packs the weights of convolutions. */
function packMap(
  { kernels, memory }: Machine,
  map: number,
  [outChannels, channels]: readonly [number, number],
  transposed: boolean,
  target: number,
  taps: number,
  shared: boolean,
): void {
  writeIntegers(memory, taps, [0]);
  const [rows, columns] = transposed ? [channels, outChannels] : [outChannels, channels];
  writeStruct(memory, jobAddress, "PackJob", {
    source: map,
    target,
    taps,
    tapCount: 1,
    outChannels: rows,
    inChannels: columns,
    strideOut: transposed ? 1 : channels,
    strideIn: transposed ? channels : 1,
    groupStride: 0,
    blocks: Math.ceil(rows / blockRows),
  });
  kernels.packWeights(1, shared);
}

/** The sizes that both kernels need. */
function sizesOf(geometry: SeparableGeometry, run: number) {
  const { window, outChannels } = geometry;
  const { batch, inChannels: channels, height, width, outHeight, outWidth } = window;
  const runsOfARow = Math.ceil(outWidth / run);
  return {
    batch,
    channels,
    outChannels,
    outHeight,
    outWidth,
    kernel: window.kernelHeight * window.kernelWidth,
    imageBytes: floatBytes * channels * height * width,
    planeBytes: floatBytes * outHeight * outWidth,
    outputLength: batch * outChannels * outHeight * outWidth,
    runsOfARow,
    rowBytes: floatBytes * runsOfARow * run,
    shared: 2 * separableMultiplyAdds(geometry) > sharedWork,
  };
}

export function separableKernels(machine: Machine): Pick<Kernels, Separable> {
  const { kernels, memory, team } = machine;
  const run = kernels.convRun.value;

  return {
    separableConv2d(x, w, map, geometry) {
      team.check();
      const [source, window, p] = [memory.pointerOf(x), memory.pointerOf(w), memory.pointerOf(map)];
      const sizes = sizesOf(geometry, run);
      const { batch, channels, outChannels, outHeight, outWidth, runsOfARow, shared } = sizes;
      const y = memory.allocate("float32", sizes.outputLength);
      if (sizes.outputLength === 0 || channels === 0) {
        y.view.fill(0);
        return y;
      }
      const plan = forwardPlan(geometry.window, run);
      const perImage = Math.ceil(enoughChunks / batch);
      const limit = Math.min(panelsLimit, Math.ceil(outHeight / perImage) * sizes.rowBytes * channels);
      const layout = new ScratchLayout();
      const bands = takeBands(
        layout,
        plan,
        geometry.window.kernelWidth,
        outWidth,
        bandRowsOf(outHeight, runsOfARow, sizes.rowBytes * channels, limit),
        run,
      );
      const at = {
        planes: takePlanes(layout, plan),
        job: layout.take(structBytes("SeparableJob")),
        taps: layout.take(floatBytes),
        map: layout.take(packedBytes(outChannels, channels)),
      };
      const scratchBytes = wholeLines(
        tileBytes(run) +
          paddedPanels(bands.panels) * panelBytes(channels, run) +
          (plan.direct ? 0 : channelBytesOf(plan, bands.planeRows)) +
          readBeyond,
      );
      const scratch = layout.take(scratchBytes * team.threads);
      memory.withScratch(layout.bytes, (base) => {
        packMap(machine, p, [outChannels, channels], false, base + at.map, base + at.taps, shared);
        writeStruct(memory, base + at.job, "SeparableJob", {
          planes: writePlanes(memory, base, at.planes, plan),
          x: source,
          xImage: sizes.imageBytes,
          window,
          kernel: sizes.kernel,
          same: Number(isSameWindow(geometry.window, run)),
          packedMap: base + at.map,
          y: y.pointer,
          yImage: outChannels * sizes.planeBytes,
          yPlane: sizes.planeBytes,
          channels,
          outChannels,
          bands: writeBands(memory, base, bands),
          bandCount: bands.list.length,
          scratch: base + scratch,
          scratchBytes,
        });
        kernels.separable(base + at.job, batch, shared);
      });
      return y;
    },

    separableConv2dGradient(x, w, map, g, geometry) {
      team.check();
      const [source, window, p, cotangent] = [x, w, map, g].map((operand) => memory.pointerOf(operand)) as [number, number, number, number];
      const sizes = sizesOf(geometry, run);
      const { batch, channels, outChannels, outWidth, shared } = sizes;
      const gradient = {
        x: memory.allocate("float32", x.length),
        w: memory.allocate("float32", w.length),
        map: memory.allocate("float32", map.length),
      };
      // Without output channels the cotangent of the window's result is 0, and 0·NaN is NaN in the gradients of x and w.
      if (batch * sizes.planeBytes * channels === 0) {
        for (const { view } of Object.values(gradient)) view.fill(0);
        return gradient;
      }
      const { kernelWidth, width } = geometry.window;
      const [plan, planD] = [forwardPlan(geometry.window, run), inputGradientPlan(geometry.window, run)];
      const [imageRows, dRows] = [plan, planD].map(({ y, direct }) => (direct ? y.size : y.count + y.reach)) as [number, number];
      const { imagesAtOnce, imagesPerRange, ranges, bandRows } = divide(sizes);
      const layout = new ScratchLayout();
      const bands = takeBands(layout, plan, kernelWidth, outWidth, bandRows, run);
      const imagePasses = takePasses(layout, plan, kernelWidth, outWidth, imageRows, run);
      const passes = takePasses(layout, planD, kernelWidth, width, dRows, run);
      if (leavesPixels(planD, passes)) gradient.x.view.fill(0);
      const at = {
        planes: takePlanes(layout, plan),
        planesD: takePlanes(layout, planD),
        job: layout.take(structBytes("SeparableGradientJob")),
        taps: layout.take(floatBytes),
        map: layout.take(packedBytes(channels, outChannels)),
      };
      const [mapBytes, windowBytes] = [floatBytes * map.length, floatBytes * w.length];
      const partials = { map: layout.take(ranges > 1 ? ranges * mapBytes : 0), w: layout.take(ranges > 1 ? ranges * windowBytes : 0) };
      // Channels of D̄ lie a cache line further apart than they are long, so that they do not compete for places in the cache.
      const dPlane = sizes.planeBytes + cacheLine;
      const scratchBytes = wholeLines(
        tileBytes(run) +
          ((imagesAtOnce - 1) * bands.panels + paddedPanels(bands.panels)) * panelBytes(channels, run) +
          bands.panels * imagesAtOnce * panelBytes(outChannels, run) +
          imagesAtOnce * channels * dPlane +
          Math.max(
            plan.direct ? 0 : channelBytesOf(plan, Math.max(imageRows, bands.planeRows)),
            planD.direct ? 0 : channelBytesOf(planD, dRows),
          ) +
          readBeyond,
      );
      const scratch = layout.take(scratchBytes * team.threads);
      memory.withScratch(layout.bytes, (base) => {
        packMap(machine, p, [outChannels, channels], true, base + at.map, base + at.taps, shared);
        const partialMap = ranges > 1 ? base + partials.map : gradient.map.pointer;
        const partialWindow = ranges > 1 ? base + partials.w : gradient.w.pointer;
        writeStruct(memory, base + at.job, "SeparableGradientJob", {
          planes: writePlanes(memory, base, at.planes, plan),
          x: source,
          xImage: sizes.imageBytes,
          window,
          kernel: sizes.kernel,
          same: Number(isSameWindow(geometry.window, run)),
          packedMap: base + at.map,
          g: cotangent,
          gImage: outChannels * sizes.planeBytes,
          gPlane: sizes.planeBytes,
          xGradient: gradient.x.pointer,
          partialMap,
          mapBytes,
          partialWindow,
          windowBytes,
          channels,
          outChannels,
          bands: writeBands(memory, base, bands),
          bandCount: bands.list.length,
          bandPanels: bands.panels,
          imageRows,
          imagePass: writePasses(memory, base, imagePasses),
          planesD: writePlanes(memory, base, at.planesD, planD),
          dRows,
          passes: writePasses(memory, base, passes),
          passCount: passes.list.length,
          dPlane,
          images: batch,
          imagesPerRange,
          imagesAtOnce,
          scratch: base + scratch,
          scratchBytes,
        });
        kernels.separableGradient(base + at.job, ranges, shared);
        if (ranges > 1) {
          kernels.addPartials(partialMap, ranges, map.length, gradient.map.pointer, shared);
          kernels.addPartials(partialWindow, ranges, w.length, gradient.w.pointer, shared);
        }
      });
      return gradient;
    },
  };
}

/** Room in a thread's scratch memory for the sums of a tile and the weights of a window (`cornerBytes`, `reversedBytes`). */
const tileBytes = (run: number): number => resultsBytes(run) + floatBytes * 8 * run + 64;

/** Whether the window is one that assembly/same-window.ts computes. */
const isSameWindow = (g: ConvolutionGeometry, run: number): boolean =>
  g.kernelHeight === 3 &&
  g.kernelWidth === 3 &&
  [g.strideY, g.strideX, g.paddingY, g.paddingX, g.dilationY, g.dilationX].every((value) => value === 1) &&
  g.outHeight === g.height &&
  g.outWidth === g.width &&
  g.height >= 2 &&
  g.width % run === 0;

/** How the gradients are divided: images of a group, images of a range, ranges, and the rows of a band. */
function divide(sizes: ReturnType<typeof sizesOf>) {
  const { batch, channels, outChannels, outHeight, outWidth, runsOfARow, rowBytes } = sizes;
  const panelRow = rowBytes * (channels + outChannels);
  const fitting = Math.max(1, Math.floor((2 * panelsLimit) / (panelRow * outHeight)));
  const imagesAtOnce = Math.min(batch, fitting, Math.max(1, Math.ceil(pixelsOfAGroup / (outHeight * outWidth))));
  const imagesPerRange = Math.ceil(Math.ceil(batch / imagesAtOnce) / mostRanges) * imagesAtOnce;
  return {
    imagesAtOnce,
    imagesPerRange,
    ranges: Math.ceil(batch / imagesPerRange),
    bandRows: imagesAtOnce > 1 ? outHeight : bandRowsOf(outHeight, runsOfARow, panelRow, 2 * panelsLimit),
  };
}
