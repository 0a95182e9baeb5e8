/** What all convolution kernels are told about their input: the planes of a plan, and where its taps find their pixels in them. */

import type { ArenaMemory } from "./arena-memory.ts";
import type { ConvolutionPlan } from "./convolution-plan.ts";
import type { ScratchLayout } from "./scratch-layout.ts";
import { structBytes, writeStruct, writeStructs } from "./structs.ts";

export const floatBytes = 4;
/** A thread's copy of the planes should stay in its second-level cache. */
export const planesLimit = 512 * 1024;
/** Vector loads may read up to one cache line behind the last row of a copy. */
export const readBeyond = 64;

/** Phases of the padded source (assembly/conv-planes.ts). */
export const phaseCount = ({ y, x }: ConvolutionPlan): number => y.phases.length * x.phases.length;

/** Bytes of one channel's planes of `rows` rows. */
export const channelBytesOf = (plan: ConvolutionPlan, rows: number): number => floatBytes * phaseCount(plan) * rows * plan.pitch;

/** Where the description of the planes lies in scratch memory. */
export interface PlanesPlace {
  readonly planes: number;
  readonly phases: number;
}

export const takePlanes = (layout: ScratchLayout, plan: ConvolutionPlan): PlanesPlace => ({
  phases: layout.take(structBytes("Phase") * phaseCount(plan)),
  planes: layout.take(structBytes("Planes")),
});

/** Writes the description of the planes into the scratch memory at `base`, and returns its address. */
export function writePlanes(memory: ArenaMemory, base: number, place: PlanesPlace, plan: ConvolutionPlan): number {
  const { y, x, direct, pitch } = plan;
  const [planes, phases] = [base + place.planes, base + place.phases];
  writeStructs(
    memory,
    phases,
    "Phase",
    y.phases.flatMap((row) => x.phases.map((column) => ({ row, column }))),
  );
  writeStruct(memory, planes, "Planes", {
    height: y.size,
    width: x.size,
    paddingY: y.padding,
    paddingX: x.padding,
    strideY: y.stride,
    strideX: x.stride,
    phases,
    phaseCount: phaseCount(plan),
    pitch,
    direct: Number(direct),
  });
  return planes;
}

/** One tap of a pass: its position in the kernel, and its distance in bytes from a pixel of the planes. */
export interface PlaneTap {
  readonly index: number;
  readonly offset: number;
}

/** The taps of a pass, in planes of `rows` rows. */
export function tapsOf({ y, x, pitch }: ConvolutionPlan, passY: number, passX: number, kernelWidth: number, rows: number): PlaneTap[] {
  return y.passes[passY]!.taps.flatMap((tapY) =>
    x.passes[passX]!.taps.map((tapX) => ({
      index: tapY.index * kernelWidth + tapX.index,
      offset: floatBytes * (((tapY.phase * x.phases.length + tapX.phase) * rows + tapY.shift) * pitch + tapX.shift),
    })),
  );
}

/** The offsets of all taps of all channels, channel by channel. */
export function channelOffsets(taps: readonly PlaneTap[], channels: number, channelBytes: number): Int32Array {
  const table = new Int32Array(channels * taps.length);
  let at = 0;
  for (let c = 0; c < channels; c++) for (const { offset } of taps) table[at++] = c * channelBytes + offset;
  return table;
}

/** Writes integers at the address `pointer`. */
export const writeIntegers = ({ integers }: ArenaMemory, pointer: number, values: ArrayLike<number>): void =>
  integers.set(values, pointer / integers.BYTES_PER_ELEMENT);
