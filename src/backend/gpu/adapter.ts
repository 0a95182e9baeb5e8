/**
 * The adapter behind a mode: what it is, how large a storage may be, and whether it still works. gpu.js tells none of this, so the device
 * is asked.
 */

import { BackendError } from "../../core/errors.ts";
import { checkKernelClass, type OpenedGpu } from "./gpu-js.ts";
import type { GpuMode } from "./gpu-mode.ts";
import { kernelSettings } from "./kernel-cache.ts";
import { WebGpuLauncher } from "./webgpu-launcher.ts";

export interface AdapterReport {
  /** The name that the driver reports. */
  readonly name: string;
  /** Whether the CPU computes in place of a graphics device: the results are right, but slow. */
  readonly software: boolean;
  /** The size of the largest storage, in bytes. */
  readonly maximumBytes: number;
}

/** What a device needs to know of its adapter while it runs. */
export interface AdapterControls {
  /** @throws BackendError once the adapter is lost or has reported an error. */
  readonly checkHealth: () => void;
  /** Resolves when the device has completed all submitted work. */
  readonly finish: () => Promise<unknown> | undefined;
  /** Removes the listeners on the WebGPU device, which stays open for other backends. */
  readonly onClose: () => void;
  /** Launches compiled kernels in WebGPU. Default: gpu.js does. */
  readonly launcher?: WebGpuLauncher;
}

export interface Adapter extends AdapterControls {
  readonly report: AdapterReport;
}

/** The names of software drivers. */
const softwareNames = /swiftshader|llvmpipe|lavapipe|softpipe|software|basic render|warp/i;

/** @throws BackendError when no adapter answers. */
export async function findAdapter(mode: GpuMode, opened: OpenedGpu): Promise<Adapter> {
  if (mode.name === "webgpu") return findWebGpu(opened);
  if (mode.onDevice) return findGl(mode, opened);
  const name = mode.name === "cpu" ? "plain JavaScript (gpu.js)" : "WebAssembly (gpu.js)";
  return { report: { name, software: true, maximumBytes: 2 ** 30 }, checkHealth: () => {}, finish: () => undefined, onClose: () => {} };
}

async function findWebGpu({ acquireWebGpu }: OpenedGpu): Promise<Adapter> {
  const context = await acquireWebGpu().catch((error: unknown) => {
    throw new BackendError(
      "webgpu: an adapter must answer, none did; in Node, call provideWebGpu() of separable/node and install a Vulkan driver " +
        "(docs/gpu.md); in a browser, check that WebGPU is enabled",
      { cause: error },
    );
  });
  const { adapter, device } = context;
  let failure: string | undefined;
  void device.lost.then(({ message }) => {
    failure = `the device was lost (${message || "no reason given"}); call initBackend() again`;
  });
  // WebGPU reports an error such as exhausted memory long after the call that caused it. Results since that call may be wrong.
  const onError = ({ error }: { readonly error: { readonly message: string } }): void => {
    const reason = error.message.trim().split("\n", 1)[0];
    failure ??= `the device reported an error (${reason}); use a smaller batch and call initBackend() again`;
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
      if (failure !== undefined) throw new BackendError(`webgpu: ${failure}`);
    },
    finish: () => device.queue.onSubmittedWorkDone(),
    onClose: () => device.removeEventListener("uncapturederror", onError),
    launcher: new WebGpuLauncher(context),
  };
}

/** Runs a first kernel, because gpu.js shows its WebGL context only through a kernel that has run. */
async function findGl(mode: GpuMode, opened: OpenedGpu): Promise<Adapter> {
  const probe = opened.gpu.createKernel("function() { return 1.0; }", { ...kernelSettings, argumentTypes: {}, output: [1] });
  try {
    await probe();
  } catch (error) {
    const reason = error instanceof Error ? error.message : error;
    throw new BackendError(`${mode.name}: a first kernel must run, got ${reason}; use another backend`, { cause: error });
  }
  checkKernelClass(opened, mode, probe);
  const gl = probe.kernel.context as WebGLRenderingContext;
  const rendererInfo = gl.getExtension("WEBGL_debug_renderer_info");
  const name = String(gl.getParameter(rendererInfo === null ? gl.RENDERER : rendererInfo.UNMASKED_RENDERER_WEBGL));
  const side: number = gl.getParameter(gl.MAX_TEXTURE_SIZE);
  return {
    // A flat index that one function passes to another is a float in GLSL, exact up to 2²⁴. Each element takes 4 bytes.
    report: { name, software: softwareNames.test(name), maximumBytes: Math.min(side * side, 2 ** 24) * 4 },
    checkHealth: () => {
      if (gl.isContextLost()) throw new BackendError(`${mode.name}: the context was lost; call initBackend() again`);
    },
    // Browsers treat gl.finish() as a hint; reading a pixel does wait. The pixel is of the default framebuffer, because those of the
    // results hold floats, which cannot be read as bytes.
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
