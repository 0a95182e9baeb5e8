/**
 * Backends on gpu.js, for `initBackend([webgpu(), "wasm"])`. An entry of its own, so that programs without gpu.js need not know of it:
 * it is an optional peer, `npm install gpu.js@2`.
 */

import type { BackendMaker } from "./backend/active.ts";
import { createGpuBackend, type GpuOptions } from "./backend/gpu/gpu-backend.ts";
import type { GpuModeName } from "./backend/gpu/gpu-mode.ts";

export type { AdapterReport } from "./backend/gpu/adapter.ts";
export type { DeviceCounters } from "./backend/gpu/device-stream.ts";
export { createGpuBackend, type GpuBackend, type GpuOptions } from "./backend/gpu/gpu-backend.ts";
export { type GpuModeName, gpuModeNames } from "./backend/gpu/gpu-mode.ts";
export type { ProgramTime } from "./backend/gpu/launch-profile.ts";

const maker =
  (name: GpuModeName) =>
  (options: GpuOptions = {}): BackendMaker => ({ name, create: () => createGpuBackend(name, options) });

/** WebGPU: in browsers, and in Node where `provideWebGpu()` of separable/node has given it an adapter. */
export const webgpu = maker("webgpu");
/** WebGL 2, in browsers. */
export const webgl2 = maker("webgl2");
/** WebGL without a window, in Node, where the package gl is installed. */
export const headlessgl = maker("headlessgl");
/** gpu.js's own WebAssembly, for comparison: our wasm backend is many times faster. */
export const webasm = maker("webasm");
/** gpu.js's plain JavaScript, for comparison. */
export const cpu = maker("cpu");
