/** What `--backend auto` chooses from: the devices of Node whose packages are installed, and wasm. */

import type { AutoCandidates } from "../../backend/auto/auto.ts";
import { BackendError } from "../../core/errors.ts";
import { deviceModes } from "../backend-names.ts";
import { type BackendSource, missingPackages } from "./backend-source.ts";

/** Without gpu.js, no device is looked for. Devices are looked for when they are opened. */
export function autoCandidates(source: BackendSource): AutoCandidates {
  const { wasm, time } = source;
  const shared = { wasm, ...(time === undefined ? {} : { time }) };
  if (!source.installed("gpu.js")) return { ...shared, devices: [], noDevices: "gpu.js is not installed" };
  // Few users install the package gl, so its absence is not reported beside the reason that WebGPU gives.
  const modes = deviceModes.filter((mode) => mode !== "headlessgl" || missingPackages(mode, source).length === 0);
  const devices = modes.map((name) => ({
    name,
    open: async (accept: Parameters<AutoCandidates["devices"][number]["open"]>[0]) => {
      const [missing] = missingPackages(name, source);
      if (missing !== undefined) throw new BackendError(`${missing} is not installed`);
      // Dawn would complain on stderr.
      if (name === "webgpu" && !source.hasVulkanDriver()) throw new BackendError("no Vulkan driver is installed");
      return source.openGpu(name, { accept });
    },
  }));
  return { ...shared, devices };
}
