/** The worker of the page: requests in, reports out. */

import type { AutoDevice } from "../backend/auto/devices.ts";
import { DataError } from "../core/errors.ts";
import type { Report, Request } from "./messages.ts";
import { Session } from "./session.ts";
import { graphicsDevices } from "./settings.ts";

/** The version of the package, which the bundler writes here. */
declare const packageVersion: string;

/** gpu.js is larger than everything else, so it is loaded for visitors who ask for a graphics device. */
async function loadDevices(): Promise<AutoDevice[]> {
  const { createGpuBackend } = await import("../backend/gpu/gpu-backend.ts");
  return graphicsDevices.map((name) => ({ name, open: (accept) => createGpuBackend(name, { accept }) }));
}

const session = new Session({
  version: packageVersion,
  post: (report: Report) => postMessage(report),
  fetchCifar: async (name) => {
    const response = await fetch(new URL(`data/cifar10/${name}`, import.meta.url)).catch(() => undefined);
    if (response?.ok !== true)
      throw new DataError(`cifar10: needs the server of separable playground, got no ${name}; run it, or choose synthetic images`);
    return new Uint8Array(await response.arrayBuffer());
  },
  loadDevices,
});

addEventListener("message", ({ data }: MessageEvent<Request>) => void session.receive(data));
