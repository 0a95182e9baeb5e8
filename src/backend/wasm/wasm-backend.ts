/**
 * The fast CPU backend: SIMD kernels written in AssemblyScript, on as many threads as the machine has, behind the same
 * synchronous contract as every other backend. The SIMD kernels are laid over the reference kernels (../overlay.ts), and both compute on
 * storage inside one WebAssembly memory. acceptances.ts lists which calls the SIMD kernels take; docs/backends.md shows the list.
 */

import { BackendError, ConfigError } from "../../core/errors.ts";
import type { BackendOptions } from "../backend-options.ts";
import type { Kernels } from "../kernels.ts";
import { assembleKernels } from "./assemble-kernels.ts";
import { ArenaMemory, retryWhenExhausted } from "./host/arena-memory.ts";
import { compileKernels, createMemory, instantiateKernels } from "./host/kernel-module.ts";
import { narrowSimd, type Simd, simdNames } from "./host/simd.ts";
import { availableThreads, canShareMemory, ForbiddenWorkersError, type TeamWorker, ThreadTeam } from "./host/thread-team.ts";
import { openWideKernels } from "./host/wide-simd.ts";

export interface WasmBackend extends Kernels {
  readonly name: "wasm";
  /** Which of the builds of the kernels runs. */
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
    const backend = await start({ ...options, threads: 1 });
    const notes = [`one thread computes: ${error.message}`, ...(backend.note === undefined ? [] : [backend.note])];
    return { ...backend, note: notes.join("; ") };
  }
}

/**
 * The fastest build that runs here, or the build that is wanted, compiled. The note says why the wide build does not run, in a program that
 * enabled it.
 * @throws ConfigError for an unknown build, BackendError for one that does not run here.
 */
async function openKernels(
  wanted: "auto" | Simd,
  shared: boolean,
): Promise<{ module: WebAssembly.Module; simd: Simd; note?: string | undefined }> {
  if (wanted !== "auto" && !simdNames.includes(wanted))
    throw new ConfigError(`wasm: simd must be one of auto, ${simdNames.join(", ")}, got ${wanted}`);
  const narrow = async (asked: "auto" | "baseline" | "relaxed") => {
    const simd = narrowSimd(asked);
    return { module: await compileKernels(simd, shared), simd };
  };
  if (wanted === "baseline" || wanted === "relaxed") return narrow(wanted);
  const wide = await openWideKernels(shared);
  if ("module" in wide) return { module: wide.module, simd: "wide" };
  if (wanted === "wide") throw new BackendError(`wasm: simd "wide" cannot run here: ${wide.refusal}; use "auto" or "relaxed"`);
  return { ...(await narrow("auto")), note: wide.tried ? `no wide SIMD: ${wide.refusal}` : undefined };
}

async function start(options: BackendOptions): Promise<WasmBackend> {
  const threads = checkedThreads(options.threads);
  const shared = threads > 1;
  const { module, simd, note } = await openKernels(options.simd ?? "auto", shared);
  const { memory: wasmMemory, maximumBytes } = createMemory(checkedMaximum(options.maximumBytes), shared);
  const memory = new ArenaMemory(wasmMemory, maximumBytes);
  const team = new ThreadTeam(threads);
  const kernels = instantiateKernels(module, wasmMemory, team);
  await team.start(module, wasmMemory, kernels);
  return {
    ...retryWhenExhausted(assembleKernels({ kernels, memory, team }), memory),
    name: "wasm",
    threads,
    simd,
    shared,
    maximumBytes,
    workers: team.workers,
    ...(note === undefined ? {} : { note }),
    memory: () => memory.report(),
    resetPeak: () => memory.resetPeak(),
    get disposed() {
      return team.disposed;
    },
    dispose: () => team.dispose(kernels),
  };
}
