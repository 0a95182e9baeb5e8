/** Convolution and its two gradients: plans them, lays the tables the kernels read into scratch memory, and runs them. */

import { type ConvolutionGeometry, convolutionMultiplyAdds } from "../../../core/convolution-geometry.ts";
import type { Kernels } from "../../kernels.ts";
import type { ArenaStorage } from "./arena-memory.ts";
import { type ConvolutionPlan, flattened, forwardPlan, inputGradientPlan } from "./convolution-plan.ts";
import { Layout, line, phasePairs, planesWords, tapsOf, words } from "./convolution-tables.ts";
import { isDepthwise, runDepthwise } from "./depthwise.ts";
import { allFloat32, type Machine, sharedWork } from "./machine.ts";

type ConvolutionKernels = Pick<Kernels, "conv2d" | "conv2dInputGradient" | "conv2dWeightGradient">;

/** So many chunks keep a few threads busy to the end; more only where a chunk would be too large. */
const enoughChunks = 8;
/** A thread's copy of the planes should stay in its second-level cache. */
const planesLimit = 512 * 1024;

const channelOffsets = (taps: readonly { readonly offset: number }[], channels: number, channelBytes: number): Int32Array => {
  const table = new Int32Array(channels * taps.length);
  for (let c = 0, at = 0; c < channels; c++) for (const { offset } of taps) table[at++] = c * channelBytes + offset;
  return table;
};

/** The roles of x, w and y in a correlation, forward or backward. */
interface Correlation {
  readonly plan: ConvolutionPlan;
  readonly source: number;
  readonly weights: number;
  readonly target: ArenaStorage;
  readonly batch: number;
  readonly groups: number;
  /** Channels of a group. */
  readonly channels: number;
  readonly outChannels: number;
  readonly targetHeight: number;
  readonly targetWidth: number;
  readonly kernelWidth: number;
  /** Distances in w, in elements, of output channels and input channels. */
  readonly strideOut: number;
  readonly strideIn: number;
  readonly groupStride: number;
  readonly shared: boolean;
}

/** Rows of a band: the whole image, less where the batch is too small to share or the planes too large to stay in the cache. */
function bandRowsOf({ plan: { y, x, pitch, direct }, batch, channels }: Correlation): number {
  const rowBytes = 4 * pitch * channels * y.phases.length * x.phases.length;
  const fitting = direct ? y.count : Math.max(4, Math.floor(planesLimit / rowBytes) - y.reach);
  const sharing = Math.max(4, Math.ceil(y.count / Math.max(1, Math.ceil(enoughChunks / batch))));
  return Math.min(y.count, fitting, sharing);
}

/**
 * A first-level cache finds a line by the low 12 bits of its address and keeps 8 lines that agree in them. Channels that lie a multiple of
 * 1 KB apart would crowd into a few such places, so planes are spread by copying them with a wider pitch.
 */
const crowded = (channelBytes: number, channels: number): boolean => channelBytes % 1024 === 0 && channels > 8;

/** The plan as it will run: whether planes are copied, in which bands, with which pitch. */
function fitted(c: Correlation): { plan: ConvolutionPlan; bandRows: number } {
  const { y, x } = c.plan;
  const direct = c.plan.direct && !crowded(4 * y.size * x.size, c.channels);
  const plan = { ...c.plan, direct };
  const bandRows = bandRowsOf({ ...c, plan });
  if (direct) return { plan, bandRows };
  const channelBytes = 4 * y.phases.length * x.phases.length * (bandRows + y.reach) * plan.pitch;
  return { plan: crowded(channelBytes, c.channels) ? { ...plan, pitch: plan.pitch + 4 } : plan, bandRows };
}

function runCorrelation({ kernels, memory, team }: Machine, c: Correlation): void {
  const { batch, groups, channels, outChannels } = c;
  const { plan, bandRows } = fitted(c);
  const { y, x, direct, pitch } = plan;
  const phases = y.phases.length * x.phases.length;
  const rows = direct ? y.size : bandRows + y.reach;
  const channelBytes = 4 * phases * rows * pitch;
  const outBlocks = Math.ceil(outChannels / 4);
  const layout = new Layout();
  const passes = y.passes.flatMap((passY, atY) =>
    x.passes.flatMap((passX, atX) => {
      const taps = tapsOf(plan, atY, atX, c.kernelWidth, rows);
      const count = taps.length * channels;
      if (count === 0) return [];
      return {
        passY,
        passX,
        taps,
        count,
        list: layout.take(4 * taps.length),
        offsets: layout.take(4 * count),
        weights: layout.take(16 * groups * outBlocks * count),
      };
    }),
  );
  // Pixels that no tap reaches (a stride beyond the kernel) are no pass's work.
  if (passes.length < y.passes.length * x.passes.length) c.target.view.fill(0);
  const at = { phases: layout.take(8 * phases), planes: layout.take(40), job: layout.take(68), passes: layout.take(36 * passes.length) };
  const scratchBytes = line(128 + (direct ? 0 : channels * channelBytes) + 64);
  const scratch = layout.take(scratchBytes * team.threads);

  memory.withScratch(layout.bytes, (base) => {
    for (const { taps, list, offsets, weights } of passes) {
      words(
        memory,
        base + list,
        taps.map(({ index }) => index),
      );
      new Int32Array(memory.wasm.buffer, base + offsets, taps.length * channels).set(channelOffsets(taps, channels, channelBytes));
      kernels.packWeights(
        ...([c.weights, base + weights, base + list, taps.length, groups, outChannels, channels] as const),
        ...([c.strideOut, c.strideIn, c.groupStride, c.shared] as const),
      );
    }
    words(memory, base + at.phases, phasePairs(plan));
    words(memory, base + at.planes, planesWords(plan, base + at.phases));
    words(
      memory,
      base + at.passes,
      passes.flatMap(({ passY, passX, count, offsets, weights }) => [
        ...[count, base + offsets, base + weights, 16 * outBlocks * count, passY.count, passX.count],
        ...[4 * (passY.first * c.targetWidth + passX.first), 4 * y.step * c.targetWidth, x.step],
      ]),
    );
    const targetPlane = 4 * c.targetHeight * c.targetWidth;
    words(memory, base + at.job, [
      ...[base + at.planes, c.source, 4 * groups * channels * y.size * x.size],
      ...[c.target.pointer, groups * outChannels * targetPlane, targetPlane, groups, channels, outChannels],
      ...[base + at.passes, passes.length, Math.ceil(y.count / bandRows), bandRows, y.reach, base + scratch, scratchBytes],
    ]);
    kernels.correlate(base + at.job, batch, c.shared);
  });
}

function runWeightGradient(
  { kernels, memory, team }: Machine,
  x: number,
  g: number,
  target: ArenaStorage,
  geometry: ConvolutionGeometry,
): void {
  const { batch, groups } = geometry;
  const [channels, outChannels] = [geometry.inChannels / groups, geometry.outChannels / groups];
  const plan = forwardPlan(geometry);
  const phases = plan.y.phases.length * plan.x.phases.length;
  const rows = plan.direct ? plan.y.size : plan.y.count + plan.y.reach;
  const channelBytes = 4 * phases * rows * plan.pitch;
  const taps = tapsOf(plan, 0, 0, geometry.kernelWidth, rows);
  const count = taps.length * channels;

  // Several small images at once, so that a tile has enough pixels to be worth its start and end.
  const vectors = geometry.outHeight * Math.ceil(geometry.outWidth / 4);
  const imageBytes = channels * channelBytes;
  const atOnce = Math.max(1, Math.min(Math.ceil(64 / vectors), Math.floor(planesLimit / imageBytes), batch));
  const gradientBytes = 4 * target.length;
  const most = gradientBytes > 2 ** 18 ? enoughChunks : 4 * enoughChunks;
  const perRange = Math.ceil(Math.ceil(batch / atOnce) / most) * atOnce;
  const ranges = Math.ceil(batch / perRange);
  const blocks = Math.ceil(outChannels / 4);
  const blocksPerSplit = Math.ceil(blocks / Math.min(blocks, Math.ceil(enoughChunks / ranges)));
  const splits = Math.ceil(blocks / blocksPerSplit);

  const layout = new Layout();
  const at = {
    phases: layout.take(8 * phases),
    planes: layout.take(40),
    job: layout.take(96),
    offsets: layout.take(4 * count),
    vectors: layout.take(4 * vectors),
  };
  const partial = layout.take(ranges > 1 ? ranges * gradientBytes : 0);
  const scratchBytes = line((plan.direct ? 0 : atOnce * imageBytes) + 64);
  const scratch = layout.take(scratchBytes * team.threads);
  const shared = 2 * convolutionMultiplyAdds(geometry) > sharedWork;

  memory.withScratch(layout.bytes, (base) => {
    const partialAt = ranges > 1 ? base + partial : target.pointer;
    words(memory, base + at.phases, phasePairs(plan));
    words(memory, base + at.planes, planesWords(plan, base + at.phases));
    new Int32Array(memory.wasm.buffer, base + at.offsets, count).set(channelOffsets(taps, channels, channelBytes));
    const { height, width, outHeight, outWidth } = geometry;
    const listed = outWidth % 4 === 0 && outWidth < 32;
    if (listed)
      words(
        memory,
        base + at.vectors,
        Array.from({ length: vectors }, (_, v) => 16 * (v % (outWidth / 4)) + 4 * plan.pitch * Math.floor(v / (outWidth / 4))),
      );
    words(memory, base + at.job, [
      ...[base + at.planes, x, 4 * groups * channels * height * width, g, 4 * groups * outChannels * outHeight * outWidth],
      ...[partialAt, gradientBytes, groups, channels, outChannels, count, base + at.offsets, outHeight, outWidth, plan.y.reach],
      ...[batch, perRange, atOnce, blocksPerSplit, splits, base + at.vectors, listed ? vectors : 0, base + scratch, scratchBytes],
    ]);
    kernels.weightGradient(base + at.job, ranges, shared);
    if (ranges > 1) kernels.addPartials(partialAt, ranges, target.length, target.pointer, shared);
  });
}

export function convolutionKernels(machine: Machine, reference: ConvolutionKernels): ConvolutionKernels {
  const { memory, team } = machine;
  /** A result of `length` zeros where there is nothing to add up. */
  const result = (length: number, terms: number): { target: ArenaStorage; empty: boolean } => {
    const target = memory.allocate("float32", length);
    if (terms === 0) target.view.fill(0);
    return { target, empty: length === 0 || terms === 0 };
  };

  return {
    conv2d(x, w, geometry) {
      if (!allFloat32(x, w)) return reference.conv2d(x, w, geometry);
      team.check();
      const [source, weights] = [memory.pointerOf(x), memory.pointerOf(w)];
      const g = geometry.width % 4 === 0 ? geometry : flattened(geometry);
      const { target, empty } = result(g.batch * g.outChannels * g.outHeight * g.outWidth, g.inChannels);
      const [channels, outChannels, taps] = [g.inChannels / g.groups, g.outChannels / g.groups, g.kernelHeight * g.kernelWidth];
      if (empty) return target;
      if (isDepthwise(g)) runDepthwise(machine, "forward", source, weights, target, g);
      else
        runCorrelation(machine, {
          plan: forwardPlan(g),
          source,
          weights,
          target,
          batch: g.batch,
          groups: g.groups,
          channels,
          outChannels,
          targetHeight: g.outHeight,
          targetWidth: g.outWidth,
          kernelWidth: g.kernelWidth,
          strideOut: channels * taps,
          strideIn: taps,
          groupStride: outChannels * channels * taps,
          shared: 2 * convolutionMultiplyAdds(g) > sharedWork,
        });
      return target;
    },

    conv2dInputGradient(gradient, w, geometry) {
      if (!allFloat32(gradient, w)) return reference.conv2dInputGradient(gradient, w, geometry);
      team.check();
      const [source, weights] = [memory.pointerOf(gradient), memory.pointerOf(w)];
      const g = geometry.width % 4 === 0 ? geometry : flattened(geometry);
      const { target, empty } = result(g.batch * g.inChannels * g.height * g.width, g.outChannels * g.outHeight * g.outWidth);
      const [channels, outChannels, taps] = [g.outChannels / g.groups, g.inChannels / g.groups, g.kernelHeight * g.kernelWidth];
      if (empty) return target;
      if (isDepthwise(g)) runDepthwise(machine, "inputGradient", source, weights, target, g);
      else
        runCorrelation(machine, {
          plan: inputGradientPlan(g),
          source,
          weights,
          target,
          batch: g.batch,
          groups: g.groups,
          channels,
          outChannels,
          targetHeight: g.height,
          targetWidth: g.width,
          kernelWidth: g.kernelWidth,
          strideOut: taps,
          strideIn: outChannels * taps,
          groupStride: outChannels * channels * taps,
          shared: 2 * convolutionMultiplyAdds(g) > sharedWork,
        });
      return target;
    },

    conv2dWeightGradient(x, gradient, geometry) {
      if (!allFloat32(x, gradient)) return reference.conv2dWeightGradient(x, gradient, geometry);
      team.check();
      const [source, g] = [memory.pointerOf(x), memory.pointerOf(gradient)];
      const { outChannels, inChannels, groups, kernelHeight, kernelWidth, batch, outHeight, outWidth } = geometry;
      const length = (outChannels * inChannels * kernelHeight * kernelWidth) / groups;
      const { target, empty } = result(length, batch * outHeight * outWidth);
      if (empty) return target;
      if (isDepthwise(geometry)) runDepthwise(machine, "weightGradient", source, g, target, geometry);
      else runWeightGradient(machine, source, g, target, flattened(geometry));
      return target;
    },
  };
}
