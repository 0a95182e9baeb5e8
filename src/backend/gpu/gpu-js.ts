/**
 * The part of gpu.js that this backend uses. No other file imports gpu.js: its own types are loose, and its next major version returns a
 * Promise from every call, so the other files depend on the interfaces below.
 */

import { BackendError } from "../../core/errors.ts";
import type { GpuMode } from "./gpu-mode.ts";

/** A kernel's result on the device: a WebGPU buffer or a GL texture. */
export interface DeviceHandle {
  /** The sizes of the result, innermost first. They are writable because a reshape of the same elements changes nothing else. */
  output: number[];
  /** The number of elements that each thread returned: 4 for kernels that return `[a, b, c, d]`. gpu.js leaves it out where it is 1. */
  componentCount?: number;
  toArray(): Float32Array | Promise<Float32Array>;
  delete(): void;
}

/** What a kernel returns: a handle on a device, or the numbers themselves in the modes without a device (`webasm` and `cpu`). */
export type KernelResult = DeviceHandle | Float32Array;

/** The instance of gpu.js's kernel class behind a `GpuKernel`. */
export interface CompiledKernel {
  /** In the GL modes, the WebGL context. It is set once the kernel has run. */
  readonly context: unknown;
  /** Whether gpu.js has compiled the kernel. */
  readonly built?: boolean;
  /** The following are fields of WebGPU kernels. They are set once the kernel is compiled. */
  readonly computePipeline?: object;
  readonly bindGroupLayout?: object;
  readonly paramsLayout?: ArgumentsLayout;
}

/** Where the arguments of a WebGPU kernel stand in its uniform buffer. Offsets are in bytes. */
export interface ArgumentsLayout {
  readonly byteLength: number;
  /** The tensors, with the place of their sizes. They are bound one after the other from binding 1 on, and the result after them. */
  readonly arrayArgs: readonly { readonly index: number; readonly dimsOffset: number }[];
  readonly scalarArgs: readonly { readonly index: number; readonly type: string; readonly offset: number }[];
}

/** A kernel of gpu.js: a function that launches it. */
export interface GpuKernel {
  (...inputs: readonly unknown[]): KernelResult | Promise<KernelResult>;
  setOutput(sizes: readonly number[]): void;
  destroy(): void;
  readonly kernel: CompiledKernel;
  /** Why gpu.js ran the kernel in another mode than requested. */
  readonly fallbackReason?: string | null;
}

/** The options of `createKernel` that this backend sets. */
export interface KernelSettings {
  /** The gpu.js type of each argument, by its name. */
  readonly argumentTypes: Readonly<Record<string, string>>;
  /** The number of threads along each axis. */
  readonly output: readonly number[];
  /** The result stays on the device. */
  readonly pipeline: true;
  /** Every launch writes a new result. */
  readonly immutable: true;
  readonly dynamicOutput: true;
  readonly dynamicArguments: true;
  /** Numbers are float32. */
  readonly precision: "single";
  readonly tactic: "precision";
  /** The largest number of iterations of a loop whose bound is an argument. */
  readonly loopMaxIterations: number;
  readonly fixIntegerDivisionAccuracy: false;
}

/** The types of a helper function that kernels may call. */
export interface HelperSettings {
  readonly returnType: "Integer" | "Float";
  readonly argumentTypes: Readonly<Record<string, "Integer" | "Float">>;
}

export interface Gpu {
  createKernel(source: string, settings: KernelSettings): GpuKernel;
  addFunction(source: string, settings: HelperSettings): unknown;
  destroy(): unknown;
}

/** The one WebGPU device of gpu.js. Every `Gpu` in mode `webgpu` shares it. */
export interface WebGpuContext {
  readonly adapter: GpuAdapter;
  readonly device: GpuDevice;
}

/** The part of the WebGPU API that describes the adapter. */
export interface GpuAdapter {
  readonly info?: {
    readonly vendor?: string;
    readonly architecture?: string;
    readonly description?: string;
    readonly isFallbackAdapter?: boolean;
  };
  readonly isFallbackAdapter?: boolean;
}

type ErrorListener = (event: { readonly error: { readonly message: string } }) => void;

export interface GpuBuffer {
  readonly size: number;
  mapAsync(mode: number, offset: number, size: number): Promise<unknown>;
  getMappedRange(offset: number, size: number): ArrayBuffer;
  destroy(): void;
}

export interface GpuPass {
  setPipeline(pipeline: object): void;
  setBindGroup(index: number, group: object): void;
  dispatchWorkgroups(x: number, y: number, z: number): void;
  end(): void;
}

export interface GpuEncoder {
  beginComputePass(): GpuPass;
  copyBufferToBuffer(source: GpuBuffer, sourceOffset: number, target: GpuBuffer, targetOffset: number, size: number): void;
  finish(): object;
}

/** The part of the WebGPU API that launches compute shaders, and reports a device's limits, its errors and its loss. */
export interface GpuDevice {
  /** Those of storage are in bytes. */
  readonly limits: {
    readonly maxStorageBufferBindingSize: number;
    readonly maxBufferSize: number;
    readonly maxComputeWorkgroupsPerDimension: number;
  };
  readonly lost: Promise<{ readonly message: string }>;
  readonly queue: {
    onSubmittedWorkDone(): Promise<unknown>;
    submit(commands: readonly object[]): void;
    writeBuffer(buffer: GpuBuffer, offset: number, data: ArrayBuffer | Float32Array, dataOffset?: number, size?: number): void;
  };
  createBuffer(what: { readonly size: number; readonly usage: number }): GpuBuffer;
  createCommandEncoder(): GpuEncoder;
  createBindGroup(what: { readonly layout: object; readonly entries: readonly object[] }): object;
  addEventListener(type: "uncapturederror", listener: ErrorListener): void;
  removeEventListener(type: "uncapturederror", listener: ErrorListener): void;
  destroy(): void;
}

type KernelClass = new (...args: never[]) => CompiledKernel;

interface GpuJsExports extends Readonly<Record<GpuMode["kernelClass"], KernelClass | undefined>> {
  readonly GPU: new (options: { readonly mode: string }) => Gpu;
  readonly WebGPUContext: { acquire(): Promise<WebGpuContext> };
}

/** gpu.js, opened in one mode. */
export interface OpenedGpu {
  readonly gpu: Gpu;
  /** Whether the kernel is an instance of the mode's kernel class. The class itself is compared, because minifiers rename classes. */
  isOfMode(kernel: CompiledKernel): boolean;
  acquireWebGpu(): Promise<WebGpuContext>;
}

/** @throws BackendError when gpu.js is not installed or does not support the mode on this machine. */
export async function openGpu(mode: GpuMode): Promise<OpenedGpu> {
  const loaded: object = await import("gpu.js").catch((error: unknown) => {
    throw new BackendError(`${mode.name}: needs the package gpu.js, which cannot be loaded; npm install gpu.js@2`, { cause: error });
  });
  // gpu.js is CommonJS: Node puts its exports under `default`, and some bundlers do not.
  const exports = ("GPU" in loaded ? loaded : (loaded as { readonly default: object }).default) as GpuJsExports;
  const kernelClass = exports[mode.kernelClass];
  if (kernelClass === undefined)
    throw new BackendError(`${mode.name}: gpu.js must have a ${mode.kernelClass}, which this version lacks; npm install gpu.js@2`);
  if (mode.name === "webgpu" && !(globalThis as { navigator?: { gpu?: unknown } }).navigator?.gpu)
    throw new BackendError(
      "webgpu: needs navigator.gpu, which is missing; in Node, call provideWebGpu() of separable/node before; " +
        "in a browser, check that WebGPU is enabled",
    );
  try {
    const gpu = new exports.GPU({ mode: mode.name });
    return { gpu, isOfMode: (kernel) => kernel instanceof kernelClass, acquireWebGpu: () => exports.WebGPUContext.acquire() };
  } catch (error) {
    const reason = error instanceof Error ? error.message : error;
    throw new BackendError(`${mode.name}: gpu.js cannot run this mode here: ${reason}; use another backend`, { cause: error });
  }
}

/**
 * Checks that a kernel which has run is of the mode's class. gpu.js falls back to another mode without an error, and reports the requested
 * mode all the same; only the class shows it.
 * @throws BackendError when gpu.js fell back.
 */
export function checkKernelClass({ isOfMode }: Pick<OpenedGpu, "isOfMode">, mode: GpuMode, { kernel, fallbackReason }: GpuKernel): void {
  if (isOfMode(kernel)) return;
  const reason = fallbackReason ? ` (${fallbackReason})` : "";
  throw new BackendError(
    `${mode.name}: gpu.js must run a ${mode.kernelClass}, but it ran a kernel of another class${reason}; use another backend`,
  );
}
