/**
 * The modes of gpu.js that this machine can run. The tests of a mode are skipped only where its driver or browser feature is missing, and
 * their title gives the reason. A mode that is present but does not work must fail its tests, so this file does not check whether it works.
 */

import type { GpuModeName } from "../../../src/backend/gpu/gpu-mode.ts";
import { provideWebGpu } from "../../../src/backend/gpu/node/provide-webgpu.ts";

export interface Availability {
  readonly mode: GpuModeName;
  /** What the machine lacks; undefined where the mode must work. */
  readonly missing: string | undefined;
  /** The title for the tests: the mode, and why they are skipped if they are. */
  readonly title: string;
}

/** Why there is no WebGPU. The answer comes from `navigator.gpu` alone, not from gpu.js or the backend under test. */
export async function missingWebGpu(): Promise<string | undefined> {
  const { gpu } = navigator as { gpu?: { requestAdapter(): Promise<object | null> } };
  if (gpu === undefined) return "there is no navigator.gpu";
  if ((await gpu.requestAdapter()) !== null) return undefined;
  return "no adapter answers; install libvulkan1 and chromium, or set VK_ICD_FILENAMES to a Vulkan driver";
}

/** Why WebGL 2 cannot run here: the browser lacks it, or it cannot render floats. */
export function missingWebGl2(): string | undefined {
  const context = document.createElement("canvas").getContext("webgl2");
  if (context === null) return "the browser has no WebGL 2";
  return context.getExtension("EXT_color_buffer_float") === null ? "the WebGL 2 of the browser cannot render floats" : undefined;
}

export async function availability(mode: "webgpu" | "webasm" | "cpu"): Promise<Availability> {
  let missing: string | undefined;
  if (mode === "webgpu") {
    await provideWebGpu();
    missing = await missingWebGpu();
  }
  if (missing === undefined) return { mode, missing, title: mode };
  console.warn(`tests of ${mode} skipped: ${missing}`);
  return { mode, missing, title: `${mode} (skipped: ${missing})` };
}
