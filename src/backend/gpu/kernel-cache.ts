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

/**
 * A kernel and who needs it: the cache, each of its results, and whoever reads one. Destroying a kernel takes with it what reads its results
 * back, and in GL a texture it has given out, so that is done when the last of them lets go.
 */
export class HeldKernel {
  readonly run: GpuKernel;
  #holders = 1;

  constructor(run: GpuKernel) {
    this.run = run;
  }

  retain(): void {
    this.#holders++;
  }

  release(): void {
    if (--this.#holders === 0) this.run.destroy();
  }
}

export class KernelCache {
  readonly #gpu: Gpu;
  readonly #mode: GpuMode;
  readonly #capacity: number;
  /** In order of use. */
  readonly #kernels = new Map<string, HeldKernel>();

  constructor(gpu: Gpu, mode: GpuMode, capacity: number) {
    this.#gpu = gpu;
    this.#mode = mode;
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#kernels.size;
  }

  /** The program's kernel, made now if it was not; it compiles at its first call. */
  get(program: Program, threads: number): HeldKernel {
    const found = this.#kernels.get(program.name);
    const kernel = found ?? new HeldKernel(this.#create(program, threads));
    if (found !== undefined) {
      this.#kernels.delete(program.name);
      kernel.run.setOutput([threads]);
    }
    this.#kernels.set(program.name, kernel);
    if (this.#kernels.size > this.#capacity) this.drop(this.#kernels.keys().next().value!);
    return kernel;
  }

  /** Forgets a kernel; its results stay good. */
  drop(name: string): void {
    const kernel = this.#kernels.get(name);
    this.#kernels.delete(name);
    kernel?.release();
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
