/** The page of the test of `"auto"` in a browser. The import without a name must survive the bundler. */

import "../../src/gpu.ts";
import { auto } from "../../src/backend/auto/auto.ts";
import { timeRound } from "../../src/backend/auto/calibration.ts";
import type { AutoDevice } from "../../src/backend/auto/devices.ts";
import { createGpuBackend } from "../../src/backend/gpu/gpu-backend.ts";
import { createWasmBackend } from "../../src/backend/wasm/wasm-backend.ts";
import { add, type BackendChoice, disposeBackend, initBackend, kernels, tensor } from "../../src/index.ts";
import { smallWork } from "../backend/auto/small-work.ts";

/** A device whose software adapter passes for hardware, so that it is timed. */
const disguised: AutoDevice = {
  name: "webgl2",
  open: async () => {
    const backend = await createGpuBackend("webgl2");
    return Object.assign(backend, { adapter: { ...backend.adapter, software: false } });
  },
};

export interface AutoPageReport {
  readonly choice: BackendChoice;
  /** Whether a second call with the same list gave the same backend. */
  readonly same: boolean;
  /** 1 + 2 on the backend. */
  readonly sum: number;
}

async function report(list: Parameters<typeof initBackend>[0]): Promise<AutoPageReport> {
  const choice = await initBackend(list);
  const backend = kernels();
  await initBackend(list);
  const same = kernels() === backend;
  const sum = await add(tensor([1]), 2).item();
  disposeBackend();
  return { choice, same, sum };
}

export const entries = {
  plain: (): Promise<AutoPageReport> => report(["auto", "reference"]),
  /** Times WebGL 2 and wasm. */
  timed: (): Promise<AutoPageReport> =>
    report([
      auto({
        devices: [disguised],
        wasm: { name: "wasm", create: (options) => createWasmBackend(options) },
        time: (backend, options) => timeRound(backend, { ...options, work: smallWork }),
      }),
    ]),
};

Object.assign(globalThis, { entries });
