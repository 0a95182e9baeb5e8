/** Which modes of gpu.js this machine has. What it lacks is skipped aloud: under its reason. */

import { createGpuBackend } from "../../../src/backend/gpu/gpu-backend.ts";
import type { GpuModeName } from "../../../src/backend/gpu/gpu-mode.ts";
import { provideWebGpu } from "../../../src/backend/gpu/node/provide-webgpu.ts";

export interface Availability {
  readonly mode: GpuModeName;
  /** Why it cannot run here; undefined where it can. */
  readonly missing: string | undefined;
  /** For the title of what is run or skipped. */
  readonly title: string;
}

export async function availability(mode: GpuModeName): Promise<Availability> {
  try {
    if (mode === "webgpu") await provideWebGpu();
    (await createGpuBackend(mode)).dispose();
    return { mode, missing: undefined, title: mode };
  } catch (error) {
    const missing = error instanceof Error ? error.message : String(error);
    console.warn(`tests of ${mode} skipped: ${missing}`);
    return { mode, missing, title: `${mode} (skipped: ${missing})` };
  }
}
