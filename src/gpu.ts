/**
 * The entry `separable/gpu`: backends on gpu.js, for `initBackend([webgpu(), "wasm"])`. gpu.js is an optional peer dependency, installed by
 * `npm install gpu.js@2`. It has an entry of its own, so that programs without gpu.js never load it. A program that imports this entry lets
 * `initBackend(["auto"])` try the devices. package.json lists the entry under `sideEffects`, or else bundlers would drop the import.
 */

import { provideDevices } from "./backend/auto/devices.ts";
import type { BackendMaker } from "./backend/backend-maker.ts";
import { createGpuBackend, type GpuOptions } from "./backend/gpu/gpu-backend.ts";
import type { GpuModeName } from "./backend/gpu/gpu-mode.ts";
import { nodeProcess } from "./backend/host-process.ts";

export type { AdapterReport } from "./backend/gpu/adapter.ts";
export type { DeviceCounters } from "./backend/gpu/device-stream.ts";
export { createGpuBackend, type GpuBackend, type GpuOptions } from "./backend/gpu/gpu-backend.ts";
export { type GpuModeName, gpuModeNames } from "./backend/gpu/gpu-mode.ts";
export type { ProgramTime } from "./backend/gpu/launch-profile.ts";

/** A function that makes a maker of the backend `name`. */
const maker =
  (name: GpuModeName) =>
  (options: GpuOptions = {}): BackendMaker => ({
    name,
    ...(options.accept === undefined ? { request: JSON.stringify(options) } : {}),
    create: () => createGpuBackend(name, options),
  });

/** The WebGPU backend. It runs in browsers, and in Node after a call of `provideWebGpu()` from `separable/node`. */
export const webgpu = maker("webgpu");
/** The WebGL 2 backend. It runs in browsers. */
export const webgl2 = maker("webgl2");
/** The headless-gl backend: WebGL without a window. It runs in Node and needs the package `gl`. */
export const headlessgl = maker("headlessgl");
/** The WebAssembly mode of gpu.js, for comparison. The backend `wasm` of this library is many times faster. */
export const webasm = maker("webasm");
/** The JavaScript mode of gpu.js, for comparison. */
export const cpu = maker("cpu");

const devices: readonly GpuModeName[] = ["webgpu", nodeProcess() === undefined ? "webgl2" : "headlessgl"];
provideDevices(devices.map((name) => ({ name, open: (accept) => createGpuBackend(name, { accept }) })));
