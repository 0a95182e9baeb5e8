/** The values of `--backend`: the names of the backends, and two words that leave the choice to the program. */

import { type BackendName, backendNames } from "../backend/active.ts";
import { type GpuModeName, gpuModeNames } from "../backend/gpu/gpu-mode.ts";
import { choice } from "./rules.ts";

/** A backend that can compute, as the configuration of a run records it. */
export type ComputingName = BackendName | GpuModeName;

/** `auto` is the faster of a graphics device and wasm. `gpu` is the first device that runs, or an error. */
export type BackendOption = "auto" | "gpu" | ComputingName;

export const backendOptions = ["auto", "gpu", ...gpuModeNames, ...backendNames] as const satisfies readonly BackendOption[];

export const backendRule = choice(backendOptions);

/** The devices that `gpu` and `auto` try, in order. WebGL 2 needs a browser, and the remaining modes are CPU paths of gpu.js. */
export const deviceModes = ["webgpu", "headlessgl"] as const satisfies readonly GpuModeName[];

export const isGpuMode = (name: string): name is GpuModeName => (gpuModeNames as readonly string[]).includes(name);

/** The list of names in the help of `--backend`. */
export const backendHelp = backendOptions.join(", ");
