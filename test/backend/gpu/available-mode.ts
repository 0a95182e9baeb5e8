/**
 * Which modes of gpu.js this machine has. Only what it lacks is skipped, aloud: under its reason. A mode that is there and does not work is a
 * failure, so whether it works is not asked here.
 */

import type { GpuModeName } from "../../../src/backend/gpu/gpu-mode.ts";
import { provideWebGpu } from "../../../src/backend/gpu/node/provide-webgpu.ts";

export interface Availability {
  readonly mode: GpuModeName;
  /** What there is none of here; undefined where the mode must work. */
  readonly missing: string | undefined;
  /** For the title of what is run or skipped. */
  readonly title: string;
}

/** Why there is no WebGPU: neither our backend nor gpu.js is asked. */
export async function missingWebGpu(): Promise<string | undefined> {
  const { gpu } = navigator as { gpu?: { requestAdapter(): Promise<object | null> } };
  if (gpu === undefined) return "there is no navigator.gpu";
  return (await gpu.requestAdapter()) === null ? "no adapter answers: no Vulkan driver, or VK_ICD_FILENAMES does not name it" : undefined;
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
