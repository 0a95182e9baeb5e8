/** `--backend auto`: a graphics device where there is one, it computes right, and it is faster than wasm; wasm everywhere else; always with the reason. */

import type { BackendOptions } from "../backend/active.ts";
import type { GpuBackend } from "../backend/gpu/gpu-backend.ts";
import type { Kernels } from "../backend/kernels.ts";
import { BackendError } from "../core/errors.ts";
import { deviceModes } from "./backend-names.ts";
import { type BackendSource, missingPackages } from "./backend-source.ts";

export interface Chosen {
  readonly backend: Kernels;
  readonly reason: string;
}

/** What went wrong, without the advice that follows it: nobody asked for a device. */
const inShort = (error: unknown): string => (error instanceof Error ? error.message : String(error)).split(/[;\n]/, 1)[0]!;

const milliseconds = (ms: number): string => `${ms.toFixed(ms < 10 ? 1 : 0)} ms`;

/** The first device that is hardware and passes its self-test, or why there is none. Looks no further than it must: without gpu.js, at nothing. */
async function findDevice(source: BackendSource): Promise<GpuBackend | string> {
  if (!source.installed("gpu.js")) return "gpu.js is not installed";
  const reasons: string[] = [];
  for (const mode of deviceModes) {
    const [missing] = missingPackages(mode, source);
    // Few have the package gl: its absence is worth no word beside a reason of WebGPU's.
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
        // Whatever it was: a broken driver must not stand in the way of wasm.
        reasons.push(`no GPU: ${inShort(error)}`);
      }
  }
  return reasons.join(", ");
}

/** @throws BackendError when neither a device nor wasm runs here. */
export async function chooseBackend(options: BackendOptions, source: BackendSource): Promise<Chosen> {
  // Whoever says how wasm is to run has chosen it.
  const given = [options.threads && "--threads", options.maximumBytes && "--memory-limit"].filter((name) => name !== undefined);
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
    return { backend: device, reason: `wasm cannot run here: ${inShort(error)}` };
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
    return { backend: wasm, reason: `${adapter.name} failed in the calibration: ${inShort(error)}` };
  }
}
