/** The modes in which gpu.js can compute. Each has the name under which `initBackend` selects it. */

export const gpuModeNames = ["webgpu", "webgl2", "headlessgl", "webasm", "cpu"] as const;
export type GpuModeName = (typeof gpuModeNames)[number];

export interface GpuMode {
  readonly name: GpuModeName;
  /** The gpu.js class of the mode's kernels. gpu.js may fall back to another class without an error. */
  readonly kernelClass: "WebGPUKernel" | "WebGL2Kernel" | "HeadlessGLKernel" | "WebAssemblyKernel" | "CPUKernel";
  /** The gpu.js type of an argument that is the result of another kernel. */
  readonly tensorType: "WebGPUBuffer" | "ArrayTexture(1)" | "Array";
  /** Whether a thread may return four elements, which the result holds one after the other. */
  readonly fourLanes: boolean;
  /** Whether the mode runs on a graphics device or on a software adapter in place of one. The other modes of gpu.js run on the CPU. */
  readonly onDevice: boolean;
}

export const gpuModes: Readonly<Record<GpuModeName, GpuMode>> = {
  webgpu: { name: "webgpu", kernelClass: "WebGPUKernel", tensorType: "WebGPUBuffer", fourLanes: true, onDevice: true },
  webgl2: { name: "webgl2", kernelClass: "WebGL2Kernel", tensorType: "ArrayTexture(1)", fourLanes: false, onDevice: true },
  headlessgl: { name: "headlessgl", kernelClass: "HeadlessGLKernel", tensorType: "ArrayTexture(1)", fourLanes: false, onDevice: true },
  webasm: { name: "webasm", kernelClass: "WebAssemblyKernel", tensorType: "Array", fourLanes: false, onDevice: false },
  cpu: { name: "cpu", kernelClass: "CPUKernel", tensorType: "Array", fourLanes: false, onDevice: false },
};
