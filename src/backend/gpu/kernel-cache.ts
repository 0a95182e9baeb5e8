/** The cache of compiled kernels. When it is full, it drops the kernel that was used least recently. */

import type { Gpu, GpuKernel } from "./gpu-js.ts";
import type { GpuMode } from "./gpu-mode.ts";
import { type Grid, type Program, sourceOf } from "./program.ts";

/** The settings that all kernels share: every launch writes a new result of any size, which stays on the device. */
export const kernelSettings = {
  pipeline: true,
  immutable: true,
  dynamicOutput: true,
  dynamicArguments: true,
  precision: "single",
  tactic: "precision",
  // By default gpu.js ends a loop whose bound is an argument after 1000 iterations, without an error.
  loopMaxIterations: 2 ** 30,
  // On GL drivers whose division it finds inexact, gpu.js would round the quotients of whole numbers. That costs three more operations for
  // every division, and 0/−3 loses its sign.
  fixIntegerDivisionAccuracy: false,
} as const;

/**
 * A kernel that counts its references. The cache holds one, each result of the kernel holds one, and each read of a result holds one.
 * Destroying a kernel also destroys the code that reads its results back, and in GL it may destroy a texture that is still in use, so the
 * kernel is destroyed only when the last reference is released.
 */
export class CountedKernel {
  readonly run: GpuKernel;
  #references = 1;

  constructor(run: GpuKernel) {
    this.run = run;
  }

  retain(): void {
    this.#references++;
  }

  release(): void {
    if (--this.#references === 0) this.run.destroy();
  }
}

/** A grid as gpu.js takes it. */
export const sizesOf = (grid: Grid): number[] => grid.filter((size) => size !== undefined);

export class KernelCache {
  readonly #gpu: Gpu;
  readonly #mode: GpuMode;
  readonly #capacity: number;
  /** From the least to the most recently used. */
  readonly #kernels = new Map<string, CountedKernel>();

  /** `capacity` is the largest number of kernels that the cache keeps. */
  constructor(gpu: Gpu, mode: GpuMode, capacity: number) {
    this.#gpu = gpu;
    this.#mode = mode;
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#kernels.size;
  }

  /**
   * The program's kernel. It is created for these threads if the cache has none; gpu.js compiles it at its first launch.
   */
  get(program: Program, grid: Grid): CountedKernel {
    const found = this.#kernels.get(program.name);
    const kernel = found ?? new CountedKernel(this.#create(program, grid));
    if (found !== undefined) this.#kernels.delete(program.name);
    this.#kernels.set(program.name, kernel);
    if (this.#kernels.size > this.#capacity) this.drop(this.#kernels.keys().next().value!);
    return kernel;
  }

  /** Removes a kernel from the cache. Its results stay readable. */
  drop(name: string): void {
    const kernel = this.#kernels.get(name);
    this.#kernels.delete(name);
    kernel?.release();
  }

  #create(program: Program, grid: Grid): GpuKernel {
    const typed = (names: readonly string[], type: string): [string, string][] => names.map((name) => [name, type]);
    return this.#gpu.createKernel(sourceOf(program), {
      argumentTypes: Object.fromEntries([
        ...typed(program.tensors, this.#mode.tensorType),
        ...typed(program.integers, "Integer"),
        ...typed(program.floats, "Float"),
      ]),
      output: sizesOf(grid),
      ...kernelSettings,
    });
  }
}
