/** separable on its wasm backend, in Node. */

import { kernels } from "../../../src/backend/active.ts";
import type { Kernels } from "../../../src/backend/kernels.ts";
import { startBackend } from "../../../src/experiment/node/start-backend.ts";
import { packageVersion } from "../../../src/experiment/node/version.ts";
import type { Contender } from "./contender.ts";
import { separableOn } from "./separable-contender.ts";

/** @param threads Default: 1. */
export async function separable(threads = 1): Promise<Contender & { readonly backend: Kernels }> {
  await startBackend({ backend: "wasm", threads });
  const backend = kernels();
  return { ...separableOn(backend, packageVersion()), backend };
}
