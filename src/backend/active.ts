/** Which backend computes. A program chooses it once, by name, in order of preference, and is told which one it got and why. */

import { BackendError, ConfigError } from "../core/errors.ts";
import type { BackendOptions } from "./backend-options.ts";
import type { Kernels, MemoryReport } from "./kernels.ts";

export const backendNames = ["wasm", "reference"] as const;
export type { BackendOptions };
export type BackendName = (typeof backendNames)[number];

/** How `initBackend` makes a backend that is not built in, such as those of `separable/gpu`, and the name it reports for it. */
export interface BackendMaker {
  readonly name: string;
  /** @throws BackendError with the reason when it cannot run here. */
  create(options: BackendOptions): Promise<Kernels>;
}

/** Which backend was chosen, and why the backends before it in the order of preference were not. */
export interface BackendChoice {
  readonly name: string;
  readonly threads: number;
  readonly passedOver: readonly { readonly name: string; readonly reason: string }[];
}

let active: Kernels | undefined;

/** The kernels of the active backend. @throws BackendError before `initBackend`. */
export function kernels(): Kernels {
  if (active === undefined) throw new BackendError("kernels: no backend is active; call `await initBackend()` once, before making tensors");
  return active;
}

/** Makes `backend` the active one; `undefined` leaves no backend active. Tensors of different backends must not be mixed. */
export function useBackend(backend: Kernels | undefined): void {
  active = backend;
}

/** The memory that the active backend holds. @throws BackendError before `initBackend`. */
export const memory = (): MemoryReport => kernels().memory();

const builtIn: Readonly<Record<BackendName, BackendMaker>> = {
  wasm: { name: "wasm", create: async (options) => (await import("./wasm/wasm-backend.ts")).createWasmBackend(options) },
  reference: { name: "reference", create: async () => (await import("./reference/reference-kernels.ts")).createReferenceBackend() },
};

function makerOf(wanted: BackendName | BackendMaker): BackendMaker {
  if (typeof wanted !== "string") return wanted;
  const maker = builtIn[wanted];
  if (maker === undefined)
    throw new ConfigError(`initBackend: backend must be one of ${backendNames.join(", ")}, or one made by separable/gpu, got ${wanted}`);
  return maker;
}

/**
 * Activates the first backend of `preference` (default: wasm, then reference) that this machine can run, and returns which one it was.
 * @throws BackendError when none can run, with the reason of each.
 */
export async function initBackend(
  preference: readonly (BackendName | BackendMaker)[] = backendNames,
  options: BackendOptions = {},
): Promise<BackendChoice> {
  const passedOver: { name: string; reason: string }[] = [];
  for (const wanted of preference) {
    const { name, create } = makerOf(wanted);
    try {
      const backend = await create(options);
      useBackend(backend);
      return { name, threads: backend.threads, passedOver };
    } catch (error) {
      if (error instanceof ConfigError) throw error;
      passedOver.push({ name, reason: error instanceof Error ? error.message : String(error) });
    }
  }
  throw new BackendError(`initBackend: no backend can run here: ${passedOver.map(({ name, reason }) => `${name} (${reason})`).join("; ")}`);
}
