/**
 * The fast CPU backend: SIMD kernels written in AssemblyScript, on as many threads as the machine has, behind the same
 * synchronous contract as every other backend. The SIMD kernels are laid over the reference kernels (../overlay.ts), and both compute on
 * storage inside one WebAssembly memory. acceptances.ts lists which calls the SIMD kernels take; docs/backends.md shows the list.
 */

import { BackendError, ConfigError } from "../../core/errors.ts";
import type { BackendOptions } from "../backend-options.ts";
import type { Kernels } from "../kernels.ts";
import { overlay } from "../overlay.ts";
import { referenceKernels } from "../reference/reference-kernels.ts";
import { wasmAcceptances } from "./acceptances.ts";
import { ArenaMemory, retryWhenExhausted } from "./host/arena-memory.ts";
import { batchNormKernels } from "./host/batch-norm.ts";
import { convolutionKernels } from "./host/convolution.ts";
import { cosineTransformKernels } from "./host/cosine-transform.ts";
import { elementwiseKernels } from "./host/elementwise.ts";
import type { KernelExports } from "./host/kernel-exports.ts";
import { chooseSimd, compileKernels, createMemory, type Simd } from "./host/kernel-module.ts";
import { layoutKernels } from "./host/layout.ts";
import type { Machine } from "./host/machine.ts";
import { matmulKernels } from "./host/matmul.ts";
import { optimiserKernels } from "./host/optimiser.ts";
import { reductionKernels } from "./host/reductions.ts";
import { availableThreads, canShareMemory, ForbiddenWorkersError, type TeamWorker, ThreadTeam } from "./host/thread-team.ts";

export interface WasmBackend extends Kernels {
  readonly name: "wasm";
  /** Which of the two builds of the kernels runs. */
  readonly simd: Simd;
  /** Whether its memory is shared: false where only one thread computes. */
  readonly shared: boolean;
  /** The arena's upper bound in bytes. */
  readonly maximumBytes: number;
  /** The threads beside the caller's. */
  readonly workers: readonly TeamWorker[];
  /** Ends the worker threads. Kernels throw from then on, but storages can still be read and released. */
  dispose(): void;
}

function checkedThreads(threads: number | undefined): number {
  if (threads === undefined) return canShareMemory() ? Math.max(1, Math.min(availableThreads(), 64)) : 1;
  if (!Number.isInteger(threads) || threads < 1 || threads > 64)
    throw new ConfigError(`wasm: threads must be an integer from 1 to 64, got ${threads}`);
  if (threads > 1 && !canShareMemory())
    throw new BackendError(
      `wasm: ${threads} threads need shared memory: a cross-origin isolated page (COOP and COEP headers), or use threads: 1`,
    );
  return threads;
}

function checkedMaximum(maximumBytes = 2 ** 32): number {
  if (!(maximumBytes >= 2 ** 24 && maximumBytes <= 2 ** 32))
    throw new ConfigError(`wasm: maximumBytes must be from 16777216 (16 MiB) to 4294967296 (4 GiB), got ${maximumBytes}`);
  return maximumBytes;
}

/**
 * Starts the backend: compiles the kernels and brings up the threads. A page whose policy forbids workers gets one thread and a `note` that
 * says so, unless `threads` was given.
 * @throws ConfigError for options out of range, BackendError where the engine lacks what they ask for.
 */
export async function createWasmBackend(options: BackendOptions = {}): Promise<WasmBackend> {
  try {
    return await start(options);
  } catch (error) {
    if (!(error instanceof ForbiddenWorkersError) || options.threads !== undefined) throw error;
    return { ...(await start({ ...options, threads: 1 })), note: `one thread computes: ${error.message}` };
  }
}

async function start(options: BackendOptions): Promise<WasmBackend> {
  const threads = checkedThreads(options.threads);
  const shared = threads > 1;
  const simd = chooseSimd(options.relaxedSimd ?? "auto");
  const { memory: wasmMemory, maximumBytes } = createMemory(checkedMaximum(options.maximumBytes), shared);
  const memory = new ArenaMemory(wasmMemory, maximumBytes);
  const team = new ThreadTeam(threads);
  const module = await compileKernels(simd, shared);
  const instance = await WebAssembly.instantiate(module, {
    env: { memory: wasmMemory, waiting: (job: number, progress: number) => team.waiting(job, progress) },
  });
  const kernels = instance.exports as KernelExports;
  await team.start(module, wasmMemory, kernels);

  const machine: Machine = { kernels, memory, team };
  const products = matmulKernels(machine);
  const fast = {
    ...layoutKernels(machine),
    ...elementwiseKernels(machine),
    ...reductionKernels(machine),
    ...cosineTransformKernels(machine, products),
    ...products,
    ...convolutionKernels(machine),
    ...batchNormKernels(machine),
    ...optimiserKernels(machine),
  };
  return {
    ...retryWhenExhausted(overlay(referenceKernels(memory), fast, wasmAcceptances), memory),
    name: "wasm",
    threads,
    simd,
    shared,
    maximumBytes,
    workers: team.workers,
    memory: () => memory.report(),
    resetPeak: () => memory.resetPeak(),
    get disposed() {
      return team.disposed;
    },
    dispose: () => team.dispose(kernels),
  };
}
