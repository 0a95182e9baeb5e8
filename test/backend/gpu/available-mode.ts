/**
 * The modes of gpu.js that this machine can run. The tests of a mode are skipped only where its driver or browser feature is missing, and
 * their title gives the reason. A mode that is present but does not work must fail its tests, so this file does not check whether it works.
 */

import type { GpuModeName } from "../../../src/backend/gpu/gpu-mode.ts";
import { provideWebGpu } from "../../../src/backend/gpu/node/provide-webgpu.ts";
import { missingWebGpu } from "./missing-device.ts";

export interface Availability {
  readonly mode: GpuModeName;
  /** What the machine lacks; undefined where the mode must work. */
  readonly missing: string | undefined;
  /** The title for the tests: the mode, and why they are skipped if they are. */
  readonly title: string;
}

/** Provides WebGPU to Node where the mode needs it, and reports whether the mode can run. */
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
