/** The machine a figure belongs to: without it the figure says nothing. */

import { cpus } from "node:os";
import type { AdapterReport } from "../backend/gpu/adapter.ts";
import type { Kernels } from "../backend/kernels.ts";
import { asGpu } from "../experiment/node/start-backend.ts";

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly platform: string;
  readonly node: string;
  readonly v8: string;
  /** Which build of the SIMD kernels runs; "none" for a backend without. */
  readonly simd: string;
  /** What computes behind a mode of gpu.js. */
  readonly adapter?: AdapterReport;
}

export function describeMachine(backend: Kernels): Machine {
  const adapter = asGpu(backend)?.adapter;
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
