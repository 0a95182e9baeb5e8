/**
 * The GPU backend: the kernels contract on gpu.js. Every kernel of the contract runs where the mode says; none is quietly computed by
 * JavaScript, and what does not exist there (float64) is refused.
 */

import { BackendError } from "../../core/errors.ts";
import type { Kernels } from "../kernels.ts";
import { type Adapter, type AdapterReport, findAdapter } from "./adapter.ts";
import { Device, type DeviceCounters } from "./device.ts";
import { type OpenedGpu, openGpu } from "./gpu-js.ts";
import { type GpuMode, type GpuModeName, gpuModes } from "./gpu-mode.ts";
import { batchNormKernels } from "./kernels/batch-norm.ts";
import { convolutionKernels } from "./kernels/convolution.ts";
import { cosineTransformKernels } from "./kernels/cosine-transform.ts";
import { elementwiseKernels } from "./kernels/elementwise.ts";
import { indexingKernels } from "./kernels/indexing.ts";
import { layoutKernels } from "./kernels/layout.ts";
import { matmulKernels } from "./kernels/matmul.ts";
import { optimiserKernels } from "./kernels/optimiser.ts";
import { poolingKernels } from "./kernels/pooling.ts";
import { reductionKernels } from "./kernels/reductions.ts";
import { transferKernels } from "./kernels/transfer.ts";
import type { ProgramTime } from "./launch-profile.ts";
import { selfTest } from "./self-test.ts";

export interface GpuBackend extends Kernels {
  readonly name: GpuModeName;
  readonly adapter: AdapterReport;
  /** What passed between host and device since the backend was made. */
  counters(): DeviceCounters;
  /** Resolves when all that was asked for has been handed to the device. */
  fence(): Promise<void>;
  /** Times every launch from now on: they no longer overlap. */
  startProfile(): void;
  endProfile(): Promise<ProgramTime[]>;
  dispose(): void;
}

export interface GpuOptions {
  /** Bytes of the largest storage, where it is to be less than the adapter takes. */
  readonly maximumBytes?: number;
  /** Throws for an adapter that will not do, before anything has been computed on it. */
  readonly accept?: (adapter: AdapterReport) => void;
}

/**
 * Opens the device and makes sure that it computes.
 * @throws BackendError when gpu.js is not installed, the mode does not run here, or gpu.js would run it elsewhere.
 */
export async function createGpuBackend(name: GpuModeName, options: GpuOptions = {}): Promise<GpuBackend> {
  const mode = gpuModes[name];
  const opened = await openGpu(mode);
  const { report, ...adapter } = await acceptableAdapter(mode, opened, options);
  const { maximumBytes = report.maximumBytes } = options;
  const device = new Device(opened, mode, {
    maximumElements: Math.floor(Math.min(maximumBytes, report.maximumBytes) / 4),
    ...adapter,
  });
  const kernels = deviceKernels(device);
  const backend: GpuBackend = {
    ...kernels,
    name,
    threads: 1,
    adapter: report,
    memory: () => device.memory.report(name),
    resetPeak: () => {
      device.memory.peak = device.memory.used;
    },
    counters: () => device.counters,
    fence: () => device.fence(),
    startProfile: () => device.startProfile(),
    endProfile: () => device.endProfile(),
    dispose: () => device.close(),
  };
  try {
    await selfTest(backend);
  } catch (error) {
    device.close();
    throw error instanceof BackendError ? error : new BackendError(`${name}: the self-test failed: ${error}`, { cause: error });
  }
  return backend;
}

/** The adapter, where it will do; gpu.js is closed again where not. */
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

/** All of the contract but who computes and what it holds. */
export const deviceKernels = (device: Device): Omit<Kernels, "name" | "threads" | "memory" | "resetPeak"> => ({
  ...transferKernels(device),
  ...elementwiseKernels(device),
  ...reductionKernels(device),
  ...indexingKernels(device),
  ...cosineTransformKernels(device),
  ...layoutKernels(device),
  ...matmulKernels(device),
  ...convolutionKernels(device),
  ...poolingKernels(device),
  ...batchNormKernels(device),
  ...optimiserKernels(device),
});
