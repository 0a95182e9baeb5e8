/** Starts the backend that was asked for. A backend that cannot run here is an error; it is never replaced in silence. */

import { type BackendRequest, disposeBackend, initBackend, kernels } from "../../backend/active.ts";
import { auto } from "../../backend/auto/auto.ts";
import type { AutoReport } from "../../backend/backend-maker.ts";
import type { BackendOptions } from "../../backend/backend-options.ts";
import type { AdapterReport } from "../../backend/gpu/adapter.ts";
import type { GpuBackend } from "../../backend/gpu/gpu-backend.ts";
import { gpuModes } from "../../backend/gpu/gpu-mode.ts";
import type { Kernels } from "../../backend/kernels.ts";
import type { Simd } from "../../backend/wasm/host/simd.ts";
import type { WasmBackend } from "../../backend/wasm/wasm-backend.ts";
import { BackendError, ConfigError } from "../../core/errors.ts";
import { type BackendOption, type ComputingName, deviceModes, isGpuMode } from "../backend-names.ts";
import { autoCandidates } from "./auto-candidates.ts";
import { type BackendSource, openNamed, thisMachine } from "./backend-source.ts";

export interface BackendSettings {
  readonly backend: BackendOption;
  /** Threads of the wasm backend. Default: one per core. */
  readonly threads?: number | undefined;
  /** The largest size of the wasm arena in MiB. Default: the limit of the wasm backend. */
  readonly memoryLimit?: number | undefined;
  /** The build of the wasm kernels. Default: the fastest that runs here. */
  readonly simd?: Simd | undefined;
}

export interface BackendReport {
  readonly name: ComputingName;
  readonly threads: number;
  /** The build of the wasm kernels that runs. */
  readonly simd?: Simd;
  /** What the backend says about how it runs here, such as why a faster build of the kernels does not. */
  readonly note?: string;
  /** The device behind a mode of gpu.js. */
  readonly adapter?: AdapterReport;
  /** Why this backend computes, when `auto` or `gpu` left the choice to the program. */
  readonly choice?: AutoReport & { readonly asked: "auto" | "gpu" };
}

const asWasm = (backend: Kernels): WasmBackend | undefined => (backend.name === "wasm" ? (backend as WasmBackend) : undefined);
/** The backend as one of gpu.js; undefined for any other backend. */
export const asGpu = (backend: Kernels): GpuBackend | undefined => (isGpuMode(backend.name) ? (backend as GpuBackend) : undefined);

/** Starts a backend and makes it the active one. @throws BackendError when the backend cannot run here. */
export async function startBackend(settings: BackendSettings, source: BackendSource = thisMachine): Promise<BackendReport> {
  const { backend: asked } = settings;
  const report = await start(settings, source);
  const backend = kernels();
  const [simd, adapter] = [asWasm(backend)?.simd, asGpu(backend)?.adapter];
  return {
    name: backend.name as ComputingName,
    threads: backend.threads,
    ...(simd === undefined ? {} : { simd }),
    ...(backend.note === undefined ? {} : { note: backend.note }),
    ...(adapter === undefined ? {} : { adapter }),
    ...((asked === "auto" || asked === "gpu") && report !== undefined ? { choice: { asked, ...report } } : {}),
  };
}

/** Makes the backend the active one. The report is that of a choice. */
async function start({ backend, threads, memoryLimit, simd }: BackendSettings, source: BackendSource): Promise<AutoReport | undefined> {
  if (simd !== undefined && backend !== "wasm" && backend !== "auto")
    throw new ConfigError(`simd: belongs to the backend wasm, got ${simd} with the backend ${backend}; leave out one`);
  if (backend === "gpu") return firstDevice(source);
  if (isGpuMode(backend)) return activate(await openNamed(backend, source));
  const options: BackendOptions = {
    ...(threads === undefined ? {} : { threads }),
    ...(memoryLimit === undefined ? {} : { maximumBytes: memoryLimit * 2 ** 20 }),
    ...(simd === undefined ? {} : { simd }),
  };
  if (backend === "reference") return reportOf(["reference"], {});
  try {
    if (backend === "wasm") return await reportOf([source.wasm], options);
    // A setting of wasm is a choice of wasm.
    const given = [threads && "--threads", memoryLimit && "--memory-limit", simd && "--simd"].filter((name) => name !== undefined);
    if (given.length === 0) return await reportOf([auto(autoCandidates(source))], options);
    await initBackend([source.wasm], options);
    return { reason: `${given.join(" and ")} belong${given.length > 1 ? "" : "s"} to wasm` };
  } catch (error) {
    if (!(error instanceof BackendError)) throw error;
    throw new BackendError(`${error.message}; --backend reference runs everywhere, some hundred times slower`, { cause: error });
  }
}

/** `initBackend` owns every backend, so that the next one replaces it and `stopBackend` frees it. */
const activate = (backend: Kernels): Promise<undefined> =>
  initBackend([{ name: backend.name, create: async () => backend }]).then(() => undefined);

async function reportOf(preference: readonly BackendRequest[], options: BackendOptions): Promise<AutoReport | undefined> {
  const { reason, calibration } = await initBackend(preference, options);
  return reason === undefined ? undefined : { reason, ...(calibration === undefined ? {} : { calibration }) };
}

/** The first device that runs. @throws BackendError that says what is wrong with each device. */
async function firstDevice(source: BackendSource): Promise<AutoReport> {
  const reasons: string[] = [];
  for (const mode of deviceModes)
    try {
      await activate(await openNamed(mode, source));
      return { reason: ["the first that runs", ...reasons].join("; ") };
    } catch (error) {
      if (!(error instanceof BackendError)) throw error;
      reasons.push(error.message);
    }
  throw new BackendError(
    `gpu: a device must answer, none did: ${reasons.map((reason) => `(${reason})`).join(", ")}; --backend wasm needs none`,
  );
}

/** Stops the threads, or releases the device, of the active backend. No backend is active afterwards. */
export const stopBackend = disposeBackend;

/**
 * What computes, such as `wasm, 2 threads, relaxed SIMD` or `webgpu, SwiftShader driver 5.0.0, a software adapter`. Runs of equal settings
 * give equal bits where this text is equal.
 */
export function describeDevice({ name, threads, simd, adapter }: BackendReport): string {
  if (adapter === undefined)
    return [name, threads === 1 ? "1 thread" : `${threads} threads`, ...(simd === undefined ? [] : [`${simd} SIMD`])].join(", ");
  const isSoftware = adapter.software && isGpuMode(name) && gpuModes[name].onDevice;
  return [name, adapter.name, ...(isSoftware ? ["a software adapter"] : [])].join(", ");
}

/** What computes and why: `wasm, 2 threads, relaxed SIMD (auto: gpu.js is not installed)`. */
export const describeBackend = (report: BackendReport): string =>
  describeDevice(report) + (report.choice === undefined ? "" : ` (${report.choice.asked}: ${report.choice.reason})`);
