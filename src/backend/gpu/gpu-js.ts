/**
 * The only file that imports gpu.js, and what we take from it. Its own types are loose and its next major version answers every call
 * with a Promise, so the rest of the backend knows gpu.js by these few lines alone.
 */

import { BackendError } from "../../core/errors.ts";
import type { GpuMode } from "./gpu-mode.ts";

/** A result that stays on the device: a WebGPU buffer or a GL texture. */
export interface DeviceHandle {
  /** Sizes, innermost first; writable, because a view of the same elements differs in nothing else. */
  output: number[];
  /** Elements a thread returned: 4 for kernels that return `[a, b, c, d]`. */
  componentCount?: number;
  toArray(): Float32Array | Promise<Float32Array>;
  delete(): void;
}

/** What a kernel returns: a handle, or in the modes without a device (webasm, cpu) the numbers themselves. */
export type KernelResult = DeviceHandle | Float32Array;

/** The compiled kernel behind the function that runs it. */
export interface CompiledKernel {
  readonly constructor: { readonly name: string };
  /** In the GL modes the context, once the kernel has run. */
  readonly context: unknown;
}

export interface GpuKernel {
  (...inputs: readonly unknown[]): KernelResult | Promise<KernelResult>;
  setOutput(sizes: readonly number[]): void;
  destroy(): void;
  readonly kernel: CompiledKernel;
  /** Why gpu.js ran the kernel elsewhere than it was asked to. */
  readonly fallbackReason?: string | null;
}

export interface KernelSettings {
  readonly argumentTypes: Readonly<Record<string, string>>;
  readonly output: readonly number[];
  readonly pipeline: true;
  readonly immutable: true;
  readonly dynamicOutput: true;
  readonly dynamicArguments: true;
  readonly precision: "single";
  readonly tactic: "precision";
  readonly loopMaxIterations: number;
  readonly fixIntegerDivisionAccuracy: false;
}

export interface HelperSettings {
  readonly returnType: "Integer" | "Float";
  readonly argumentTypes: Readonly<Record<string, "Integer" | "Float">>;
}

export interface Gpu {
  createKernel(source: string, settings: KernelSettings): GpuKernel;
  addFunction(source: string, settings: HelperSettings): unknown;
  destroy(): unknown;
}

/** gpu.js's one WebGPU device, shared by all that use it. */
export interface WebGpuContext {
  readonly adapter: GpuAdapter;
  readonly device: GpuDevice;
}

/** As much of the WebGPU API as tells what computes, and when it no longer does. */
export interface GpuAdapter {
  readonly info?: {
    readonly vendor?: string;
    readonly architecture?: string;
    readonly description?: string;
    readonly isFallbackAdapter?: boolean;
  };
  readonly isFallbackAdapter?: boolean;
}

export interface GpuDevice {
  readonly limits: { readonly maxStorageBufferBindingSize: number; readonly maxBufferSize: number };
  readonly lost: Promise<{ readonly message: string }>;
  readonly queue: { onSubmittedWorkDone(): Promise<unknown> };
  addEventListener(type: "uncapturederror", listener: (event: { readonly error: { readonly message: string } }) => void): void;
  removeEventListener(type: "uncapturederror", listener: (event: { readonly error: { readonly message: string } }) => void): void;
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
  /** Whether a kernel is of the class that the mode promises. By identity: minifiers rename classes. */
  isOurs(kernel: CompiledKernel): boolean;
  acquireWebGpu(): Promise<WebGpuContext>;
}

/** @throws BackendError when gpu.js is not installed, or does not know the mode here. */
export async function openGpu(mode: GpuMode): Promise<OpenedGpu> {
  const loaded: object = await import("gpu.js").catch((error: unknown) => {
    throw new BackendError(`${mode.name}: needs the package gpu.js, which cannot be loaded; npm install gpu.js@2`, { cause: error });
  });
  // CommonJS in Node, a script for everyone in bundles: the exports stand one level down or not.
  const exports = ("GPU" in loaded ? loaded : (loaded as { readonly default: object }).default) as GpuJsExports;
  const kernelClass = exports[mode.kernelClass];
  if (kernelClass === undefined)
    throw new BackendError(`${mode.name}: gpu.js must have a ${mode.kernelClass}, which this version lacks; npm install gpu.js@2`);
  try {
    const gpu = new exports.GPU({ mode: mode.name });
    return { gpu, isOurs: (kernel) => kernel instanceof kernelClass, acquireWebGpu: () => exports.WebGPUContext.acquire() };
  } catch (error) {
    throw new BackendError(`${mode.name}: gpu.js cannot run this mode here: ${error instanceof Error ? error.message : error}`, {
      cause: error,
    });
  }
}
