/** Describes the machine of a measurement, without which a time cannot be compared. */

import { cpus } from "node:os";
import type { AdapterReport } from "../backend/gpu/adapter.ts";
import type { Kernels } from "../backend/kernels.ts";

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly platform: string;
  readonly node: string;
  readonly v8: string;
  /** The build of the SIMD kernels that runs; "none" for a backend without such kernels. */
  readonly simd: string;
  /** The device behind a mode of gpu.js. */
  readonly adapter?: AdapterReport;
}

/** @param adapter of a backend of gpu.js. Default: the backend has none. */
export function describeMachine(backend: Kernels, adapter?: AdapterReport): Machine {
  const processors = cpus();
  return {
    cpu: processors[0]?.model.trim() ?? "unknown",
    cores: processors.length,
    platform: `${process.platform}-${process.arch}`,
    node: process.version,
    v8: process.versions.v8,
    simd: "simd" in backend ? String(backend.simd) : "none",
    ...(adapter === undefined ? {} : { adapter }),
  };
}

export const formatMachine = ({ cpu, cores, platform, node, v8 }: Machine): string =>
  `${cpu}, ${cores} cores, ${platform}; Node ${node}, V8 ${v8}`;
