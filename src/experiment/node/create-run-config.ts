/** The configuration of a run that begins now, on this machine. */

import type { RunConfig } from "../run-config.ts";
import type { Settings } from "../setting-rules.ts";
import type { BackendReport } from "./start-backend.ts";
import { packageVersion } from "./version.ts";

type NewRun = Omit<RunConfig, "separable" | "environment"> & { readonly backend: BackendReport };

/** The configuration records the backend that was started. A resumed run starts the same one, whatever `auto` would choose then. */
export function createRunConfig({ backend, ...run }: NewRun): RunConfig {
  const environment = { node: process.versions.node, platform: `${process.platform}-${process.arch}`, backend };
  return { separable: packageVersion(), ...run, settings: settingsOn(backend, run.settings), environment };
}

/** The settings with the backend, the number of threads and the build of the kernels that compute the run. */
export const settingsOn = (backend: BackendReport, settings: Settings): Settings => ({
  ...settings,
  backend: backend.name,
  threads: backend.name === "wasm" ? backend.threads : undefined,
  simd: backend.simd,
});
