/** The backends by the names the command line has for them: those that compute, and two words that leave the choice to us. */

import { type BackendName, backendNames } from "../backend/active.ts";
import { type GpuModeName, gpuModeNames } from "../backend/gpu/gpu-mode.ts";
import { choice } from "./rules.ts";

/** What can compute, and so what a run's configuration may say it was computed by. */
export type ComputingName = BackendName | GpuModeName;

/** `auto`: whichever of a graphics device and wasm is faster. `gpu`: the first device that runs, or an error. */
export type BackendOption = "auto" | "gpu" | ComputingName;

export const backendOptions = ["auto", "gpu", ...gpuModeNames, ...backendNames] as const satisfies readonly BackendOption[];

export const backendRule = choice(backendOptions);

/** What `gpu` and `auto` try, in order. WebGL 2 is for browsers; the others are gpu.js's own CPU paths. */
export const deviceModes = ["webgpu", "headlessgl"] as const satisfies readonly GpuModeName[];

export const isGpuMode = (name: string): name is GpuModeName => (gpuModeNames as readonly string[]).includes(name);

/** For the help of `--backend`. */
export const backendHelp = backendOptions.join(", ");
