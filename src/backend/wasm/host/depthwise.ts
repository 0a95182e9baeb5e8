/** Depthwise convolution (one filter for each channel): lays out the job for assembly/depthwise.ts. */

import { type ConvolutionGeometry, convolutionMultiplyAdds } from "../../../core/convolution-geometry.ts";
import type { ArenaStorage } from "./arena-memory.ts";
import { type ConvolutionPlan, forwardPlan, inputGradientPlan } from "./convolution-plan.ts";
import { Layout, line, phasePairs, planesWords, tapsOf, words } from "./convolution-tables.ts";
import { type Machine, sharedWork } from "./machine.ts";

export const isDepthwise = ({ groups, inChannels, outChannels }: ConvolutionGeometry): boolean =>
  groups > 1 && groups === inChannels && groups === outChannels;

export type DepthwiseKind = "forward" | "inputGradient" | "weightGradient";

/** Six vectors run at a time; the list is padded by repeating its last. */
const vectorsAtOnce = 6;
const chunkWork = 50_000;

/** Vectors of a pass: where their pixels are in the plane, where their results go, and how many lanes of them count. */
function vectorsOf({ y, x, pitch }: ConvolutionPlan, passY: number, passX: number, width: number): number[] {
  const [rows, columns] = [y.passes[passY]!, x.passes[passX]!];
  const table: number[] = [];
  for (let r = 0; r < rows.count; r++)
    for (let c = 0; c < columns.count; c += 4) {
      const target = (rows.first + r * y.step) * width + columns.first + c * x.step;
      table.push(4 * (r * pitch + c), 4 * target, Math.min(4, columns.count - c));
    }
  return table;
}

/**
 * `source` is x, or g in the input gradient; `factor` is w, or g in the weight gradient.
 * The target must not be empty.
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
  const plan = kind === "inputGradient" ? inputGradientPlan(geometry) : forwardPlan(geometry);
  const { y, x, direct, pitch } = plan;
  const [resultHeight, resultWidth] = kind === "inputGradient" ? [height, width] : [outHeight, outWidth];
  const rows = direct ? y.size : y.count + y.reach;
  const phases = y.phases.length * x.phases.length;
  const layout = new Layout();
  const passes = y.passes.flatMap((_, passY) =>
    x.passes.flatMap((_, passX) => {
      const taps = tapsOf(plan, passY, passX, kernelWidth, rows);
      if (taps.length === 0) return [];
      const vectors = vectorsOf(plan, passY, passX, resultWidth);
      const count = vectors.length / 3;
      const padding = (vectorsAtOnce - (count % vectorsAtOnce)) % vectorsAtOnce;
      for (let i = 0; i < padding; i++) vectors.push(...vectors.slice(-3));
      return { taps, vectors, count, list: layout.take(8 * taps.length), table: layout.take(4 * vectors.length) };
    }),
  );
  if (passes.length < y.passes.length * x.passes.length) target.view.fill(0);
  const at = { phases: layout.take(8 * phases), planes: layout.take(40), job: layout.take(56), passes: layout.take(24 * passes.length) };
  const scratchBytes = line(96 + (direct ? 0 : 4 * phases * rows * pitch) + 64);
  const scratch = layout.take(scratchBytes * team.threads);
  const work = 2 * convolutionMultiplyAdds(geometry);
  const planeCount = batch * channels;
  const contiguous = Number(passes.length === 1 && x.step * y.step === 1 && resultWidth % 4 === 0);

  memory.withScratch(layout.bytes, (base) => {
    for (const { taps, vectors, list, table } of passes) {
      words(
        memory,
        base + list,
        taps.flatMap(({ index, offset }) => [index, offset]),
      );
      words(memory, base + table, vectors);
    }
    words(memory, base + at.phases, phasePairs(plan));
    words(memory, base + at.planes, planesWords(plan, base + at.phases));
    words(
      memory,
      base + at.passes,
      passes.flatMap(({ taps, count, list, table }) => [taps.length, base + list, count, base + table, x.step, contiguous]),
    );
    words(memory, base + at.job, [
      ...[base + at.planes, source, factor, target.pointer, 4 * resultHeight * resultWidth, channels, kernelHeight * kernelWidth],
      ...[planeCount, Math.max(1, Math.ceil((planeCount * chunkWork) / work)), rows],
      ...[base + at.passes, passes.length, base + scratch, scratchBytes],
    ]);
    if (kind === "weightGradient") kernels.depthwiseWeightGradient(base + at.job, work > sharedWork);
    else kernels.depthwise(base + at.job, work > sharedWork);
  });
}
