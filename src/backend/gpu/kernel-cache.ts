/** Kernels compiled so far, the least recently used let go of when there are too many. */

import type { Gpu, GpuKernel } from "./gpu-js.ts";
import type { GpuMode } from "./gpu-mode.ts";
import { type Program, sourceOf } from "./program.ts";

/** What all kernels have in common: results stay on the device, each in a place of its own, in any number. */
export const kernelSettings = {
  pipeline: true,
  immutable: true,
  dynamicOutput: true,
  dynamicArguments: true,
  precision: "single",
  tactic: "precision",
  // gpu.js stops a loop bounded by an argument after 1000 rounds, in silence, unless told how many there may be.
  loopMaxIterations: 2 ** 30,
  // On GL drivers that it finds inexact, gpu.js would round the quotients of whole numbers: three more operations in every division, and 0/−3 loses its sign.
  fixIntegerDivisionAccuracy: false,
} as const;

export class KernelCache {
  readonly #gpu: Gpu;
  readonly #mode: GpuMode;
  readonly #capacity: number;
  /** In order of use. */
  readonly #kernels = new Map<string, GpuKernel>();

  constructor(gpu: Gpu, mode: GpuMode, capacity: number) {
    this.#gpu = gpu;
    this.#mode = mode;
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#kernels.size;
  }

  /** The program's kernel, made now if it was not; it compiles at its first call. */
  get(program: Program, threads: number): GpuKernel {
    const found = this.#kernels.get(program.name);
    const kernel = found ?? this.#create(program, threads);
    if (found !== undefined) {
      this.#kernels.delete(program.name);
      kernel.setOutput([threads]);
    }
    this.#kernels.set(program.name, kernel);
    if (this.#kernels.size > this.#capacity) this.drop(this.#kernels.keys().next().value!);
    return kernel;
  }

  drop(name: string): void {
    this.#kernels.get(name)?.destroy();
    this.#kernels.delete(name);
  }

  #create(program: Program, threads: number): GpuKernel {
    const types = (names: readonly string[], type: string): [string, string][] => names.map((name) => [name, type]);
    return this.#gpu.createKernel(sourceOf(program), {
      argumentTypes: Object.fromEntries([
        ...types(program.tensors, this.#mode.tensorType),
        ...types(program.integers, "Integer"),
        ...types(program.floats, "Float"),
      ]),
      output: [threads],
      ...kernelSettings,
    });
  }
}
