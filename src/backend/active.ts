/** Which backend computes. A program chooses it once, by name, in order of preference, and is told which one it got and why. */

import { BackendError, ConfigError } from "../core/errors.ts";
import { checkOptions } from "../core/options.ts";
import type { BackendOptions } from "./backend-options.ts";
import { backendOptions } from "./backend-options.ts";
import type { Kernels, MemoryReport } from "./kernels.ts";

export const backendNames = ["wasm", "reference"] as const;
export type { BackendOptions };
export type BackendName = (typeof backendNames)[number];

/** How `initBackend` makes a backend that is not built in, such as those of `separable/gpu`, and the name it reports for it. */
export interface BackendMaker {
  readonly name: string;
  /**
   * What distinguishes the backends of this name, as text. Two makers with equal texts make the same backend. Default: each maker differs.
   */
  readonly request?: string;
  /** @throws BackendError with the reason when it cannot run here. */
  create(options: BackendOptions): Promise<Kernels>;
}

/** Which backend was chosen, and why the backends before it in the order of preference were not. */
export interface BackendChoice {
  readonly name: string;
  readonly threads: number;
  readonly passedOver: readonly { readonly name: string; readonly reason: string }[];
  /** What the backend says about how it runs here, such as why it has one thread. */
  readonly note?: string;
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
  wasm: { name: "wasm", request: "", create: async (options) => (await import("./wasm/wasm-backend.ts")).createWasmBackend(options) },
  reference: {
    name: "reference",
    request: "",
    create: async () => (await import("./reference/reference-kernels.ts")).createReferenceBackend(),
  },
};

function makerOf(wanted: BackendName | BackendMaker): BackendMaker {
  if (typeof wanted !== "string") return wanted;
  const maker = builtIn[wanted];
  if (maker === undefined)
    throw new ConfigError(`initBackend: backend must be one of ${backendNames.join(", ")}, or one made by separable/gpu, got ${wanted}`);
  return maker;
}

/** The backend that `initBackend` made last, with the request that it answers. */
interface Made {
  readonly backend: Kernels;
  readonly choice: BackendChoice;
  readonly preference: readonly BackendMaker[];
  readonly options: string;
}

let made: Made | undefined;
let earlier: Promise<unknown> = Promise.resolve();

/** Whether two makers make the same backend: they are one maker, or they state equal requests. */
const sameMaker = (a: BackendMaker, b: BackendMaker): boolean =>
  a === b || (a.name === b.name && a.request !== undefined && a.request === b.request);

/**
 * Activates the first backend of `preference` (default: wasm, then reference) that this machine can run, and returns which one it was.
 *
 * A call with the request of the call before gives the backend of that call. A call with another request disposes of that backend after the
 * new one runs: its threads and its device are freed. Tensors do not outlive it. An op on one of them is an error; on wasm and reference
 * their numbers can still be read. When no backend can run, the active backend stays as it is.
 * @throws BackendError when none can run, with the reason of each.
 */
export function initBackend(
  preference: readonly (BackendName | BackendMaker)[] = backendNames,
  options: BackendOptions = {},
): Promise<BackendChoice> {
  // One call after another, so that calls side by side do not each start a backend.
  const call = earlier.then(() => activate(preference.map(makerOf), options));
  earlier = call.catch(() => {});
  return call;
}

async function activate(preference: readonly BackendMaker[], options: BackendOptions): Promise<BackendChoice> {
  checkOptions("initBackend", options, backendOptions);
  const before = made;
  const key = JSON.stringify([options.threads, options.maximumBytes, options.simd]);
  const repeated =
    before !== undefined &&
    before.options === key &&
    before.preference.length === preference.length &&
    preference.every((maker, i) => sameMaker(maker, before.preference[i]!));
  if (repeated && before.backend.disposed !== true) {
    useBackend(before.backend);
    return before.choice;
  }
  const passedOver: { name: string; reason: string }[] = [];
  for (const { name, create } of preference) {
    try {
      const backend = await create(options);
      const choice: BackendChoice = {
        ...{ name, threads: backend.threads, passedOver },
        ...(backend.note === undefined ? {} : { note: backend.note }),
      };
      before?.backend.dispose?.();
      made = { backend, choice, preference, options: key };
      useBackend(backend);
      return choice;
    } catch (error) {
      if (error instanceof ConfigError) throw error;
      passedOver.push({ name, reason: error instanceof Error ? error.message : String(error) });
    }
  }
  throw new BackendError(`initBackend: no backend can run here: ${passedOver.map(({ name, reason }) => `${name} (${reason})`).join("; ")}`);
}

/**
 * Frees the threads, the memory and the device of the active backend and of the backend that `initBackend` made, and leaves none active.
 * The memory of an arena goes with the last tensor that a program can reach. A call without a backend changes nothing.
 */
export function disposeBackend(): void {
  for (const backend of new Set([active, made?.backend])) backend?.dispose?.();
  active = undefined;
  made = undefined;
}
