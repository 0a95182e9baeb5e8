/** The worker of the page: requests in, reports out. */

import { provideDevices } from "../backend/auto/devices.ts";
import { DataError } from "../core/errors.ts";
import type { Report, Request } from "./messages.ts";
import { Session } from "./session.ts";

/** The version of the package, which the bundler writes here. */
declare const packageVersion: string;

const session = new Session({
  version: packageVersion,
  post: (report: Report) => postMessage(report),
  fetchCifar: async (name) => {
    const response = await fetch(new URL(`data/cifar10/${name}`, import.meta.url)).catch(() => undefined);
    if (response?.ok !== true)
      throw new DataError(`cifar10: needs the server of separable playground, got no ${name}; run it, or choose synthetic images`);
    return new Uint8Array(await response.arrayBuffer());
  },
  provideDevices: async () => {
    // gpu.js is larger than everything else, so it is loaded for visitors who ask for a graphics device.
    const { createGpuBackend } = await import("../backend/gpu/gpu-backend.ts");
    provideDevices((["webgpu", "webgl2"] as const).map((name) => ({ name, open: (accept) => createGpuBackend(name, { accept }) })));
  },
});

addEventListener("message", ({ data }: MessageEvent<Request>) => void session.receive(data));
