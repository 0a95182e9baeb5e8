/**
 * The choice of `--backend auto`: a graphics device that passes its self-test and is faster than wasm, or else wasm. The choice always
 * comes with its reason.
 */

import type { BackendOptions } from "../../backend/active.ts";
import type { GpuBackend } from "../../backend/gpu/gpu-backend.ts";
import type { Kernels } from "../../backend/kernels.ts";
import { BackendError } from "../../core/errors.ts";
import { deviceModes } from "../backend-names.ts";
import { type BackendSource, missingPackages } from "./backend-source.ts";

export interface Chosen {
  readonly backend: Kernels;
  readonly reason: string;
}

/** What went wrong, without the advice at the end of the message. The user did not ask for a device and needs no advice on it. */
const withoutAdvice = (error: unknown): string => (error instanceof Error ? error.message : String(error)).split(/[;\n]/, 1)[0]!;

const milliseconds = (ms: number): string => `${ms.toFixed(ms < 10 ? 1 : 0)} ms`;

/** The first hardware device that passes its self-test, or the reason why there is none. Without gpu.js, no device is tried. */
async function findDevice(source: BackendSource): Promise<GpuBackend | string> {
  if (!source.installed("gpu.js")) return "gpu.js is not installed";
  const reasons: string[] = [];
  for (const mode of deviceModes) {
    const [missing] = missingPackages(mode, source);
    // Few users install the package gl, so its absence is not reported beside the reason that WebGPU gives.
    if (mode === "headlessgl" && missing !== undefined) continue;
    if (missing !== undefined) reasons.push(`${missing} is not installed`);
    else if (mode === "webgpu" && !source.hasVulkanDriver()) reasons.push("no GPU: no Vulkan driver is installed");
    else
      try {
        return await source.openGpu(mode, {
          accept: ({ software, name }) => {
            if (software) throw new BackendError(`only a software adapter, ${name}`);
          },
        });
      } catch (error) {
        // Any error is a reason to use wasm. A broken driver must not stop the program.
        reasons.push(`no GPU: ${withoutAdvice(error)}`);
      }
  }
  return reasons.join(", ");
}

/** Chooses a backend. @throws BackendError when neither a device nor wasm runs here. */
export async function chooseBackend(options: BackendOptions, source: BackendSource): Promise<Chosen> {
  // Options of the wasm backend are a choice of the wasm backend.
  const given = [options.threads && "--threads", options.maximumBytes && "--memory-limit", options.simd && "--simd"].filter(
    (name) => name !== undefined,
  );
  if (given.length > 0)
    return { backend: await source.openWasm(options), reason: `${given.join(" and ")} belong${given.length > 1 ? "" : "s"} to wasm` };
  const device = await findDevice(source);
  if (typeof device === "string") return { backend: await source.openWasm(options), reason: device };
  const { adapter } = device;
  let wasm: Kernels;
  try {
    wasm = await source.openWasm(options);
  } catch (error) {
    if (!(error instanceof BackendError)) throw error;
    return { backend: device, reason: `wasm cannot run here: ${withoutAdvice(error)}` };
  }
  try {
    const { gpuMs, wasmMs } = await source.compare(device, wasm);
    if (gpuMs < wasmMs) {
      wasm.dispose?.();
      return { backend: device, reason: `${milliseconds(gpuMs)} in the calibration, wasm ${milliseconds(wasmMs)}` };
    }
    device.dispose();
    return { backend: wasm, reason: `${milliseconds(wasmMs)} in the calibration, ${adapter.name} ${milliseconds(gpuMs)}` };
  } catch (error) {
    device.dispose();
    return { backend: wasm, reason: `${adapter.name} failed in the calibration: ${withoutAdvice(error)}` };
  }
}
