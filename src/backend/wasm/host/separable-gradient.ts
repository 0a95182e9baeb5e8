/** The gradients of the separable convolution: divides the work and writes the job for assembly/separable-gradient.ts. */

import type { SeparableGeometry } from "../../../core/separable-geometry.ts";
import type { Storage } from "../../../tensor/storage.ts";
import type { BatchStatistics, Kernels, PrecedingNormStorages } from "../../kernels.ts";
import type { ArenaStorage } from "./arena-memory.ts";
import { takeNorm } from "./batch-norm.ts";
import { inputGradientPlan } from "./convolution-plan.ts";
import { leavesPixels, resultsBytes, takePasses, writePasses } from "./depthwise.ts";
import type { Machine } from "./machine.ts";
import { channelBytesOf, floatBytes, readBeyond, takePlanes, writePlanes } from "./planes.ts";
import { finishGradient, gradientNorm, writeCoefficients } from "./preceding-norm.ts";
import { Remembered } from "./remembered.ts";
import { cacheLine, ScratchLayout, wholeLines } from "./scratch-layout.ts";
import { bandRowsOf, paddedPanels, panelBytes, panelsLimit } from "./separable-bands.ts";
import {
  normRowsBytes,
  packMap,
  planKey,
  type SeparableSizes,
  sameWindow,
  sizesOf,
  takeInput,
  takeMap,
  windowKind,
  writeInput,
} from "./separable-input.ts";
import { structBytes, writeStruct } from "./structs.ts";

/** Partial gradients are added up, so there are not more of them than a few threads need. */
const mostRanges = 16;
/** The dot products of the map's gradient should run over so many pixels to outweigh the sums of their lanes at the end. */
const pixelsOfAGroup = 256;
/** Bytes of the sums of w̄ of a channel (`nineSumsBytes` in assembly/same-window.ts). */
const nineSumsBytes = (run: number): number => floatBytes * 9 * run;
/** Room in a thread's scratch memory for the sums of a tile and the weights of a window (`cornerBytes`, `reversedBytes`). */
const tileBytes = (run: number): number => resultsBytes(run) + floatBytes * 8 * run + 64;

/** How the gradients are divided: images of a group, images of a range, ranges, and the rows of a band. */
function divide({ batch, channels, outChannels, outHeight, outWidth, runsOfARow, rowBytes }: SeparableSizes) {
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

/** What a call does that has such a geometry: the sizes, how the work is divided, and what lies where in scratch memory. */
function planOf(geometry: SeparableGeometry, hasNorm: boolean, sizes: SeparableSizes, threads: number) {
  const { run, channels, outChannels, outWidth } = sizes;
  const { kernelHeight, kernelWidth, width } = geometry.window;
  const division = divide(sizes);
  const { imagesAtOnce, ranges } = division;
  const layout = new ScratchLayout();
  const input = takeInput(layout, geometry, division.bandRows, run);
  const packed = takeMap(layout, sizes, true);
  const { plan, bands } = input;
  const planD = inputGradientPlan(geometry.window, run);
  const [imageRows, dRows] = [plan, planD].map(({ y, direct }) => (direct ? y.size : y.count + y.reach)) as [number, number];
  const imagePasses = takePasses(layout, plan, kernelWidth, outWidth, imageRows, run);
  const passes = takePasses(layout, planD, kernelWidth, width, dRows, run);
  const norm = hasNorm ? takeNorm(layout, sizes.norm) : undefined;
  const rowsBytes = hasNorm ? normRowsBytes(geometry.window.height, geometry.window) : 0;
  const [planesD, job] = [takePlanes(layout, planD), layout.take(structBytes("SeparableGradientJob"))];
  const mapBytes = floatBytes * outChannels * channels;
  const windowBytes = floatBytes * channels * kernelHeight * kernelWidth;
  const partials = { map: layout.take(ranges > 1 ? ranges * mapBytes : 0), w: layout.take(ranges > 1 ? ranges * windowBytes : 0) };
  const nineBytes = windowKind(geometry.window, run) === sameWindow ? channels * nineSumsBytes(run) : 0;
  // Channels of D̄ lie a cache line further apart than they are long, so that they do not compete for places in the cache.
  const dPlane = sizes.planeBytes + cacheLine;
  const scratchBytes = wholeLines(
    tileBytes(run) +
      nineBytes +
      ((imagesAtOnce - 1) * bands.panels + paddedPanels(bands.panels)) * panelBytes(channels, run) +
      bands.panels * imagesAtOnce * panelBytes(outChannels, run) +
      imagesAtOnce * channels * dPlane +
      rowsBytes +
      Math.max(
        plan.direct ? 0 : channelBytesOf(plan, Math.max(imageRows, bands.planeRows)),
        planD.direct ? 0 : channelBytesOf(planD, dRows),
      ) +
      readBeyond,
  );
  const scratch = layout.take(scratchBytes * threads);
  return {
    ...division,
    ...{ input, packed, planD, imageRows, dRows, imagePasses, passes, norm, rowsBytes, planesD, job, mapBytes, windowBytes, partials },
    ...{ nineBytes, dPlane, scratch, scratchBytes, bytes: layout.bytes },
    leavesPixels: leavesPixels(planD, passes),
  };
}

export function separableGradientKernels(
  machine: Machine,
): Pick<Required<Kernels>, "separableConv2dGradient" | "normSeparableConv2dGradient"> {
  const { kernels, memory, team } = machine;
  const run = kernels.convRun.value;
  const plans = new Remembered<ReturnType<typeof planOf>>();
  const gradientOf = (
    x: Storage,
    w: Storage,
    map: Storage,
    g: Storage,
    geometry: SeparableGeometry,
    norm?: PrecedingNormStorages & BatchStatistics & { readonly gradient: { readonly gamma: ArenaStorage; readonly beta: ArenaStorage } },
  ) => {
    team.check();
    const [source, weights, p, cotangent] = [x, w, map, g].map((operand) => memory.pointerOf(operand)) as [number, number, number, number];
    const sizes = sizesOf(geometry, run);
    const { batch, channels, outChannels, shared } = sizes;
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
    const plan = plans.get(planKey(geometry, norm !== undefined), () => planOf(geometry, norm !== undefined, sizes, team.threads));
    if (plan.leavesPixels) gradient.x.view.fill(0);
    const placed = norm && { norm, geometry: sizes.norm, places: plan.norm! };
    const { ranges, partials } = plan;
    memory.withScratch(plan.bytes, (base) => {
      const partialMap = ranges > 1 ? base + partials.map : gradient.map.pointer;
      const partialWindow = ranges > 1 ? base + partials.w : gradient.w.pointer;
      if (placed !== undefined) writeCoefficients(machine, base, placed);
      writeStruct(memory, base + plan.job, "SeparableGradientJob", {
        ...gradientNorm(base, placed),
        input: writeInput(machine, base, plan.input, sizes, { x: source, weights }, placed, plan.rowsBytes),
        packedMap: packMap(machine, base, plan.packed, p, shared),
        g: cotangent,
        gImage: outChannels * sizes.planeBytes,
        gPlane: sizes.planeBytes,
        xGradient: gradient.x.pointer,
        partialMap,
        mapBytes: plan.mapBytes,
        partialWindow,
        windowBytes: plan.windowBytes,
        outChannels,
        bandPanels: plan.input.bands.panels,
        imageRows: plan.imageRows,
        nineBytes: plan.nineBytes,
        imagePass: writePasses(memory, base, plan.imagePasses),
        planesD: writePlanes(memory, base, plan.planesD, plan.planD),
        dRows: plan.dRows,
        passes: writePasses(memory, base, plan.passes),
        passCount: plan.passes.list.length,
        dPlane: plan.dPlane,
        images: batch,
        imagesPerRange: plan.imagesPerRange,
        imagesAtOnce: plan.imagesAtOnce,
        scratch: base + plan.scratch,
        scratchBytes: plan.scratchBytes,
      });
      kernels.separableGradient(base + plan.job, ranges, shared);
      if (ranges > 1) {
        kernels.addPartials(partialMap, ranges, map.length, gradient.map.pointer, shared);
        kernels.addPartials(partialWindow, ranges, w.length, gradient.w.pointer, shared);
      }
      if (norm !== undefined && placed !== undefined) {
        const { gamma, beta } = norm.gradient;
        const results = { xGradient: gradient.x.pointer, gammaGradient: gamma.pointer, betaGradient: beta.pointer };
        finishGradient(machine, base, placed, { x: source, ...results });
      }
    });
    return gradient;
  };
  return {
    separableConv2dGradient: (x, w, map, g, geometry) => gradientOf(x, w, map, g, geometry),
    normSeparableConv2dGradient(x, norm, w, map, g, geometry) {
      const { inChannels } = geometry.window;
      const gradient = { gamma: memory.allocate("float32", inChannels), beta: memory.allocate("float32", inChannels) };
      return { ...gradientOf(x, w, map, g, geometry, { ...norm, gradient }), ...gradient };
    },
  };
}
