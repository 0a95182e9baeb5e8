/**
 * The graphics devices that `"auto"` tries. The main entry knows none, so that a program without gpu.js has no trace of it. `separable/gpu`
 * provides its devices when it is imported.
 */

import type { AdapterReport } from "../gpu/adapter.ts";
import type { Kernels } from "../kernels.ts";

export interface AutoDevice {
  readonly name: string;
  /** `accept` is called with the adapter before anything is computed. @throws what `accept` throws, or why the device does not run here. */
  open(accept: (adapter: AdapterReport) => void): Promise<Kernels & { readonly adapter: AdapterReport }>;
}

let provided: readonly AutoDevice[] = [];

/** Sets the devices that `"auto"` tries, in order. */
export function provideDevices(devices: readonly AutoDevice[]): void {
  provided = devices;
}

/** The devices that were provided last. */
export const providedDevices = (): readonly AutoDevice[] => provided;
