/** A device for tests that run programs of their own. */

import { findAdapter } from "../../../src/backend/gpu/adapter.ts";
import { Device, type DeviceOptions } from "../../../src/backend/gpu/device.ts";
import { type OpenedGpu, openGpu } from "../../../src/backend/gpu/gpu-js.ts";
import { type GpuModeName, gpuModes } from "../../../src/backend/gpu/gpu-mode.ts";

/** `change` replaces parts of gpu.js, for tests of errors. */
export async function openDevice(
  name: GpuModeName,
  options: Partial<DeviceOptions> = {},
  change: Partial<OpenedGpu> = {},
): Promise<Device> {
  const mode = gpuModes[name];
  const opened = { ...(await openGpu(mode)), ...change };
  const { report, ...adapter } = await findAdapter(mode, opened);
  return new Device(opened, mode, { maximumElements: report.maximumBytes / 4, ...adapter, ...options });
}
