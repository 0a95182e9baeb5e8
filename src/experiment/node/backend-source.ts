/** Opens backends on this machine. A test can replace the machine by a `BackendSource` of its own. gpu.js is loaded only for a device. */

import { createRequire } from "node:module";
import type { AutoCandidates } from "../../backend/auto/auto.ts";
import type { BackendMaker } from "../../backend/backend-maker.ts";
import type { BackendOptions } from "../../backend/backend-options.ts";
import type { GpuBackend, GpuOptions } from "../../backend/gpu/gpu-backend.ts";
import type { GpuModeName } from "../../backend/gpu/gpu-mode.ts";
import { provideWebGpu } from "../../backend/gpu/node/provide-webgpu.ts";
import type { Kernels } from "../../backend/kernels.ts";
import { enableRelaxedSimd } from "../../backend/wasm/node/enable-relaxed-simd.ts";
import { enableWideSimd } from "../../backend/wasm/node/enable-wide-simd.ts";
import { createWasmBackend } from "../../backend/wasm/wasm-backend.ts";
import { BackendError } from "../../core/errors.ts";
import { hasVulkanDriver } from "./vulkan-driver.ts";

export interface BackendSource {
  /** Whether a package can be loaded from this package or, where `by` is given, from the package `by`. */
  installed(name: string, by?: string): boolean;
  hasVulkanDriver(): boolean;
  /** @throws BackendError with the reason why the mode does not run here. */
  openGpu(mode: GpuModeName, options?: GpuOptions): Promise<GpuBackend>;
  readonly wasm: BackendMaker;
  /** As for `AutoCandidates`. */
  readonly time?: AutoCandidates["time"];
}

const here = createRequire(import.meta.url);

function installed(name: string, by?: string): boolean {
  try {
    (by === undefined ? here : createRequire(here.resolve(by))).resolve(name);
    return true;
  } catch {
    return false;
  }
}

async function openGpu(mode: GpuModeName, options?: GpuOptions): Promise<GpuBackend> {
  if (mode === "webgpu") await provideWebGpu();
  return (await import("../../backend/gpu/gpu-backend.ts")).createGpuBackend(mode, options);
}

async function openWasm(options: BackendOptions): Promise<Kernels> {
  // A program owns its process, so it may enable what the engine has behind flags. Under `node --jitless` there is no WebAssembly.
  if (typeof WebAssembly !== "undefined") {
    enableRelaxedSimd();
    enableWideSimd();
  }
  return createWasmBackend(options);
}

export const thisMachine: BackendSource = { installed, hasVulkanDriver, openGpu, wasm: { name: "wasm", request: "", create: openWasm } };

/** The packages that a mode needs in Node and that are not installed. */
export const missingPackages = (mode: GpuModeName, source: Pick<BackendSource, "installed">): string[] => {
  const needed = { webgpu: ["gpu.js", "webgpu"], headlessgl: ["gpu.js", "gl"], webgl2: ["gpu.js"], webasm: ["gpu.js"], cpu: ["gpu.js"] };
  return needed[mode].filter((name) => !(name === "gl" ? source.installed("gl", "gpu.js") : source.installed(name)));
};

/** Opens a mode of gpu.js by its name, on hardware or software. @throws BackendError that says what is missing and how to install it. */
export async function openNamed(mode: GpuModeName, source: BackendSource): Promise<GpuBackend> {
  if (mode === "webgl2") throw new BackendError("webgl2: runs in browsers, got Node; use --backend webgpu or headlessgl");
  const missing = missingPackages(mode, source);
  if (missing.length === 0)
    return source.openGpu(mode).catch((error: unknown) => {
      // A driver may be installed where `hasVulkanDriver` does not look, so its absence is reported only after opening has failed.
      if (mode !== "webgpu" || source.hasVulkanDriver()) throw error;
      throw new BackendError(
        "webgpu: an adapter must answer, none did: no Vulkan driver is installed; " +
          "install the graphics card's, or a software one (docs/gpu.md)",
        { cause: error },
      );
    });
  const [packages, are] = missing.length === 1 ? ["package", "is"] : ["packages", "are"];
  const wanted = missing.map((name) => (name === "gpu.js" ? "gpu.js@2" : name)).join(" ");
  throw new BackendError(`${mode}: needs the ${packages} ${missing.join(" and ")}, which ${are} not installed; npm install ${wanted}`);
}
