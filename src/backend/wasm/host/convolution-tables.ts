/** The tables that the convolution kernels read: written into scratch memory before a call. */

import type { ArenaMemory } from "./arena-memory.ts";
import type { ConvolutionPlan } from "./convolution-plan.ts";

export const line = (bytes: number): number => Math.ceil(bytes / 64) * 64;

/** Scratch memory handed out from front to back. */
export class Layout {
  bytes = 0;
  take(bytes: number): number {
    const at = this.bytes;
    this.bytes += line(bytes);
    return at;
  }
}

export const words = (memory: ArenaMemory, pointer: number, values: readonly number[]): void =>
  new Int32Array(memory.wasm.buffer, pointer, values.length).set(values);

export const planesWords = ({ y, x, direct, pitch }: ConvolutionPlan, phases: number): number[] => [
  ...[y.size, x.size, y.padding, x.padding, y.stride, x.stride],
  ...[phases, y.phases.length * x.phases.length, pitch, Number(direct)],
];

export const phasePairs = ({ y, x }: ConvolutionPlan): number[] => y.phases.flatMap((ry) => x.phases.flatMap((rx) => [ry, rx]));

/** The pass's taps as positions in a kernel of `kernelWidth`, and as byte offsets into planes of `rows` rows. */
export function tapsOf({ y, x, pitch }: ConvolutionPlan, passY: number, passX: number, kernelWidth: number, rows: number) {
  return y.passes[passY]!.taps.flatMap((tapY) =>
    x.passes[passX]!.taps.map((tapX) => ({
      index: tapY.index * kernelWidth + tapX.index,
      offset: 4 * (((tapY.phase * x.phases.length + tapX.phase) * rows + tapY.shift) * pitch + tapX.shift),
    })),
  );
}
