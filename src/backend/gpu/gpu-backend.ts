/**
 * The GPU backend: the contract `Kernels` on gpu.js. Every kernel of the contract runs in the mode that was asked for, and none falls back
 * to JavaScript. A request that the mode cannot serve, such as float64, is an error.
 */

import { BackendError } from "../../core/errors.ts";
import { checkOptions, type OptionNames, optionNames } from "../../core/options.ts";
import { bytesPerElement } from "../../tensor/storage.ts";
import { composedSeparable } from "../composed-separable.ts";
import type { Kernels } from "../kernels.ts";
import { type Adapter, type AdapterReport, findAdapter } from "./adapter.ts";
import { Device } from "./device.ts";
import type { DeviceCounters } from "./device-stream.ts";
import { type OpenedGpu, openGpu } from "./gpu-js.ts";
import { type GpuMode, type GpuModeName, gpuModes } from "./gpu-mode.ts";
import { batchNormKernels } from "./kernels/batch-norm.ts";
import { butterflyKernels } from "./kernels/butterfly.ts";
import { convolutionKernels } from "./kernels/convolution.ts";
import { cosineTransformKernels } from "./kernels/cosine-transform.ts";
import { crossEntropyKernels } from "./kernels/cross-entropy.ts";
import { elementwiseKernels } from "./kernels/elementwise.ts";
import { indexingKernels } from "./kernels/indexing.ts";
import { layoutKernels } from "./kernels/layout.ts";
import { matmulKernels } from "./kernels/matmul.ts";
import { optimiserKernels } from "./kernels/optimiser.ts";
import { poolingKernels } from "./kernels/pooling.ts";
import { reductionKernels } from "./kernels/reductions.ts";
import { sortingKernels } from "./kernels/sorting.ts";
import { transferKernels } from "./kernels/transfer.ts";
import { weightNormKernels } from "./kernels/weight-norm.ts";
import type { ProgramTime } from "./launch-profile.ts";
import { selfTest } from "./self-test.ts";

export interface GpuBackend extends Kernels {
  readonly name: GpuModeName;
  readonly adapter: AdapterReport;
  /** What the device has done since the backend was created. */
  counters(): DeviceCounters;
  /** Resolves when every kernel, upload and free that was asked for so far has been submitted to the device. */
  fence(): Promise<void>;
  /** Starts to time every launch. While a profile runs, launches do not overlap. */
  startProfile(): void;
  /** Ends the profile. The result has one entry for each program, the slowest first. */
  endProfile(): Promise<ProgramTime[]>;
  /** Frees the device. Storages can no longer be read. */
  dispose(): void;
}

export interface GpuOptions {
  /** The size of the largest storage, in bytes. Default, and upper bound: the limit of the adapter. */
  readonly maximumBytes?: number;
  /** Is called with the adapter before anything is computed, and throws to refuse the adapter. Default: every adapter is accepted. */
  readonly accept?: (adapter: AdapterReport) => void;
}

/** The names of `GpuOptions`. */
export const gpuOptions: OptionNames = optionNames<GpuOptions>({ maximumBytes: true, accept: true });

/**
 * Opens the device and runs a self-test on it.
 * @throws BackendError when gpu.js is not installed, the mode does not run here, gpu.js would fall back to another mode, or the self-test
 * fails.
 */
export async function createGpuBackend(name: GpuModeName, options: GpuOptions = {}): Promise<GpuBackend> {
  checkOptions("createGpuBackend", options, gpuOptions);
  const mode = gpuModes[name];
  const opened = await openGpu(mode);
  const { report, ...adapter } = await acceptableAdapter(mode, opened, options);
  const { maximumBytes = report.maximumBytes } = options;
  const device = new Device(opened, mode, {
    maximumElements: Math.floor(Math.min(maximumBytes, report.maximumBytes) / bytesPerElement.float32),
    ...adapter,
  });
  const kernels = deviceKernels(device);
  const backend: GpuBackend = {
    ...kernels,
    name,
    threads: 1,
    adapter: report,
    memory: () => device.memory.report(name),
    resetPeak: () => device.memory.resetPeak(),
    counters: () => device.counters,
    fence: () => device.fence(),
    startProfile: () => device.startProfile(),
    endProfile: () => device.endProfile(),
    get disposed() {
      return device.ended;
    },
    dispose: () => device.close(),
  };
  try {
    await selfTest(backend);
  } catch (error) {
    device.close();
    if (error instanceof BackendError) throw error;
    throw new BackendError(`${name}: the self-test failed: ${error}; use another backend`, { cause: error });
  }
  return backend;
}

/** Finds the adapter. Where there is none or `accept` refuses it, gpu.js is closed and the error passed on. */
async function acceptableAdapter(mode: GpuMode, opened: OpenedGpu, { accept }: GpuOptions): Promise<Adapter> {
  try {
    const adapter = await findAdapter(mode, opened);
    accept?.(adapter.report);
    return adapter;
  } catch (error) {
    await opened.gpu.destroy();
    throw error;
  }
}

/** The kernels of the contract. `createGpuBackend` adds the backend's name, threads and memory. */
export const deviceKernels = (device: Device): Omit<Kernels, "name" | "threads" | "memory" | "resetPeak"> => ({
  ...transferKernels(device),
  ...elementwiseKernels(device),
  ...reductionKernels(device),
  ...indexingKernels(device),
  ...sortingKernels(device),
  ...cosineTransformKernels(device),
  ...layoutKernels(device),
  ...matmulKernels(device),
  ...convolutionKernels(device),
  ...composedSeparable({ ...convolutionKernels(device), ...elementwiseKernels(device) }),
  ...poolingKernels(device),
  ...batchNormKernels(device),
  ...butterflyKernels(device),
  ...crossEntropyKernels(device, reductionKernels(device)),
  ...weightNormKernels(device),
  ...optimiserKernels(device),
});
