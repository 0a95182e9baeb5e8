/** What computes: asked of the device itself, since gpu.js's word for it is the same with and without one. */

import { BackendError } from "../../core/errors.ts";
import type { OpenedGpu } from "./gpu-js.ts";
import type { GpuMode } from "./gpu-mode.ts";
import { kernelSettings } from "./kernel-cache.ts";

export interface AdapterReport {
  /** As the driver calls itself. */
  readonly name: string;
  /** The processor pretends to be a graphics device: right results, slowly. */
  readonly software: boolean;
  /** Bytes of the largest storage. */
  readonly maximumBytes: number;
}

export interface Adapter {
  readonly report: AdapterReport;
  /** @throws BackendError once the device is lost. */
  readonly checkHealth: () => void;
  /** Resolves when the device has computed all it was handed. */
  readonly finish: () => Promise<unknown> | undefined;
  /** Stops listening to the device, which outlives the backend. */
  readonly onClose: () => void;
}

/** Names under which software drivers go. */
const softwareNames = /swiftshader|llvmpipe|lavapipe|softpipe|software|basic render|warp/i;

/** @throws BackendError when no adapter answers. */
export async function findAdapter(mode: GpuMode, opened: OpenedGpu): Promise<Adapter> {
  if (mode.name === "webgpu") return findWebGpu(opened);
  if (mode.onDevice) return findGl(mode, opened);
  const name = mode.name === "cpu" ? "plain JavaScript (gpu.js)" : "WebAssembly (gpu.js)";
  return { report: { name, software: true, maximumBytes: 2 ** 30 }, checkHealth: () => {}, finish: () => undefined, onClose: () => {} };
}

async function findWebGpu({ acquireWebGpu }: OpenedGpu): Promise<Adapter> {
  const { adapter, device } = await acquireWebGpu().catch((error: unknown) => {
    throw new BackendError(
      "webgpu: an adapter must answer, none did; in Node it takes provideWebGpu() of separable/node and a Vulkan driver (docs/gpu.md), in a browser see whether WebGPU is on",
      { cause: error },
    );
  });
  let fault: string | undefined;
  void device.lost.then(({ message }) => {
    fault = `the device was lost (${message || "no reason given"}); call initBackend() again`;
  });
  // Out of memory and the like come here, long after the call that caused them, and what was computed since is not to be trusted.
  const onError = ({ error }: { readonly error: { readonly message: string } }): void => {
    fault ??= `the device could not do what it was asked to (${error.message.trim().split("\n", 1)[0]}); use a smaller batch and call initBackend() again`;
  };
  device.addEventListener("uncapturederror", onError);
  const { vendor = "", architecture = "", description = "", isFallbackAdapter = adapter.isFallbackAdapter === true } = adapter.info ?? {};
  const name = description || [vendor, architecture].filter((part) => part !== "").join(" ") || "unnamed adapter";
  return {
    report: {
      name,
      software: isFallbackAdapter || softwareNames.test(`${name} ${architecture}`),
      maximumBytes: Math.min(device.limits.maxStorageBufferBindingSize, device.limits.maxBufferSize),
    },
    checkHealth: () => {
      if (fault !== undefined) throw new BackendError(`webgpu: ${fault}`);
    },
    finish: () => device.queue.onSubmittedWorkDone(),
    onClose: () => device.removeEventListener("uncapturederror", onError),
  };
}

/** Its context is that of the first kernel that ran. */
async function findGl(mode: GpuMode, { gpu, isOurs }: OpenedGpu): Promise<Adapter> {
  const probe = gpu.createKernel("function() { return 1.0; }", { ...kernelSettings, argumentTypes: {}, output: [1] });
  try {
    await probe();
  } catch (error) {
    throw new BackendError(
      `${mode.name}: a first kernel must run, got ${error instanceof Error ? error.message : error}; use another backend`,
      {
        cause: error,
      },
    );
  }
  if (!isOurs(probe.kernel))
    throw new BackendError(
      `${mode.name}: gpu.js must run a ${mode.kernelClass}, got a ${probe.kernel.constructor.name}; use another backend`,
    );
  const gl = probe.kernel.context as WebGLRenderingContext;
  const names = gl.getExtension("WEBGL_debug_renderer_info");
  const name = String(gl.getParameter(names === null ? gl.RENDERER : names.UNMASKED_RENDERER_WEBGL));
  const side: number = gl.getParameter(gl.MAX_TEXTURE_SIZE);
  return {
    // A place that one call hands to another passes through a float there, exact up to 2²⁴.
    report: { name, software: softwareNames.test(name), maximumBytes: Math.min(side * side, 2 ** 24) * 4 },
    checkHealth: () => {
      if (gl.isContextLost()) throw new BackendError(`${mode.name}: the context was lost; call initBackend() again`);
    },
    // gl.finish() is only a hint in browsers; reading a pixel waits. Results' own framebuffers hold floats, which cannot be read as bytes.
    finish: () => {
      const bound: WebGLFramebuffer | null = gl.getParameter(gl.FRAMEBUFFER_BINDING);
      gl.bindFramebuffer(gl.FRAMEBUFFER, null);
      gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));
      gl.bindFramebuffer(gl.FRAMEBUFFER, bound);
      return undefined;
    },
    onClose: () => {},
  };
}
