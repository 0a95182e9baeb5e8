/** The ways in which gpu.js can compute, each under the name `initBackend` knows it by. */

export const gpuModeNames = ["webgpu", "webgl2", "headlessgl", "webasm", "cpu"] as const;
export type GpuModeName = (typeof gpuModeNames)[number];

export interface GpuMode {
  readonly name: GpuModeName;
  /** The class that must have run. gpu.js degrades in silence, and its own word for the mode stays the same. */
  readonly kernelClass: "WebGPUKernel" | "WebGL2Kernel" | "HeadlessGLKernel" | "WebAssemblyKernel" | "CPUKernel";
  /** The type under which a kernel takes what another has returned. */
  readonly tensorType: "WebGPUBuffer" | "ArrayTexture(1)" | "Array";
  /** Kernels may return four elements a thread, stored one behind the other. */
  readonly fourLanes: boolean;
  /** Runs on a graphics device, or on a software adapter that stands in for one; the others are gpu.js's own CPU paths. */
  readonly onDevice: boolean;
}

export const gpuModes: Readonly<Record<GpuModeName, GpuMode>> = {
  webgpu: { name: "webgpu", kernelClass: "WebGPUKernel", tensorType: "WebGPUBuffer", fourLanes: true, onDevice: true },
  webgl2: { name: "webgl2", kernelClass: "WebGL2Kernel", tensorType: "ArrayTexture(1)", fourLanes: false, onDevice: true },
  headlessgl: { name: "headlessgl", kernelClass: "HeadlessGLKernel", tensorType: "ArrayTexture(1)", fourLanes: false, onDevice: true },
  webasm: { name: "webasm", kernelClass: "WebAssemblyKernel", tensorType: "Array", fourLanes: false, onDevice: false },
  cpu: { name: "cpu", kernelClass: "CPUKernel", tensorType: "Array", fourLanes: false, onDevice: false },
};
