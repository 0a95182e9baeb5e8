/** Activates the backend a command asked for: that one or an error, never another in silence. */

import { type BackendName, type BackendOptions, initBackend, kernels, useBackend } from "../backend/active.ts";
import type { Kernels } from "../backend/kernels.ts";
import { enableRelaxedSimd } from "../backend/wasm/node/enable-relaxed-simd.ts";
import type { WasmBackend } from "../backend/wasm/wasm-backend.ts";
import { BackendError } from "../core/errors.ts";
import { plural } from "./format.ts";

export interface BackendSettings {
  readonly backend: BackendName;
  readonly threads?: number | undefined;
  /** Of the wasm arena, in MiB. */
  readonly memoryLimit?: number | undefined;
}

export interface BackendReport {
  readonly name: BackendName;
  readonly threads: number;
  /** Which build of the wasm kernels runs. */
  readonly simd?: WasmBackend["simd"];
}

const asWasm = (backend: Kernels): WasmBackend | undefined => (backend.name === "wasm" ? (backend as WasmBackend) : undefined);

/** @throws BackendError when it cannot run here. */
export async function startBackend({ backend, threads, memoryLimit }: BackendSettings): Promise<BackendReport> {
  const options: BackendOptions = {
    ...(threads === undefined ? {} : { threads }),
    ...(memoryLimit === undefined ? {} : { maximumBytes: memoryLimit * 2 ** 20 }),
  };
  try {
    // The process is ours, so its engine may be told to fuse multiply and add.
    // `node --jitless` has no WebAssembly to ask.
    if (backend === "wasm" && typeof WebAssembly !== "undefined") enableRelaxedSimd();
    await initBackend([backend], options);
    const simd = asWasm(kernels())?.simd;
    return { name: backend, threads: kernels().threads, ...(simd === undefined ? {} : { simd }) };
  } catch (error) {
    if (backend === "reference" || !(error instanceof BackendError)) throw error;
    throw new BackendError(`${error.message}; --backend reference runs everywhere, some hundred times slower`, { cause: error });
  }
}

/** Ends the threads of `backend` and leaves none active. */
export function stopBackend(): void {
  try {
    asWasm(kernels())?.dispose();
  } catch (error) {
    // None was started.
    if (!(error instanceof BackendError)) throw error;
  }
  useBackend(undefined);
}

/** `wasm, 2 threads, relaxed SIMD`. */
export const describeBackend = ({ name, threads, simd }: BackendReport): string =>
  [name, plural(threads, "thread"), ...(simd === undefined ? [] : [`${simd} SIMD`])].join(", ");
