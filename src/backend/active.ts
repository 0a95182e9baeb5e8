/** Which backend computes. A program chooses it once, by name, in order of preference, and is told which one it got and why. */

import { BackendError, ConfigError } from "../core/errors.ts";
import { checkNumbers } from "../core/numbers.ts";
import { checkOptions, kindOf } from "../core/options.ts";
import { providedDevices } from "./auto/devices.ts";
import { type BackendChoice, type BackendChooser, type BackendMaker, type PassedOver, tryMaker } from "./backend-maker.ts";
import type { BackendOptions } from "./backend-options.ts";
import { backendOptions } from "./backend-options.ts";
import type { Kernels, MemoryReport } from "./kernels.ts";

export const backendNames = ["wasm", "reference"] as const;
export type { BackendOptions };
export type BackendName = (typeof backendNames)[number];

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

/** An entry of the list that `initBackend` takes. `"auto"` is the faster of a hardware device and wasm, or reference where neither runs. */
export type BackendRequest = BackendName | "auto" | BackendMaker | BackendChooser;

/** The devices are those that were provided when `initBackend` was called. */
async function automatic(): Promise<BackendChooser> {
  const { auto } = await import("./auto/auto.ts");
  const devices = providedDevices();
  const noDevices = devices.length === 0 ? 'separable/gpu is not imported; import that entry to let "auto" try GPUs' : undefined;
  return auto({ devices, wasm: builtIn.wasm, last: builtIn.reference, ...(noDevices === undefined ? {} : { noDevices }) });
}

async function makerOf(wanted: BackendRequest): Promise<BackendMaker | BackendChooser> {
  if (typeof wanted !== "string") return wanted;
  if (wanted === "auto") return automatic();
  const maker = builtIn[wanted];
  if (maker === undefined)
    throw new ConfigError(
      `initBackend: backend must be one of auto, ${backendNames.join(", ")}, or one made by separable/gpu, got ${wanted}`,
    );
  return maker;
}

/** The backend that `initBackend` made last, with the request that it answers. */
interface Made {
  readonly backend: Kernels;
  readonly choice: BackendChoice;
  readonly preference: readonly (BackendMaker | BackendChooser)[];
  readonly options: string;
}

let made: Made | undefined;
let earlier: Promise<unknown> = Promise.resolve();

/** Whether two makers make the same backend: they are one maker, or they state equal requests. */
const sameMaker = (a: BackendMaker | BackendChooser, b: BackendMaker | BackendChooser): boolean =>
  a === b || (a.name === b.name && a.request !== undefined && a.request === b.request);

/**
 * Activates the first backend of `preference` (default: wasm, then reference) that this machine can run, and returns which one it was.
 * `"auto"` times a hardware device against wasm and takes the faster one. Where neither runs, it takes reference. It knows the devices of
 * `separable/gpu` once that entry is imported. It never takes a software adapter.
 *
 * A call with the request of the call before gives the backend of that call. A call with another request disposes of that backend after the
 * new one runs: its threads and its device are freed. Tensors do not outlive it. An op on one of them is an error; on wasm and reference
 * their numbers can still be read. When no backend can run, the active backend stays as it is.
 * @throws ConfigError for an unknown backend, an unknown option or an option out of range, and BackendError when no backend can run, with
 * the reason of each.
 */
export function initBackend(preference: readonly BackendRequest[] = backendNames, options: BackendOptions = {}): Promise<BackendChoice> {
  if (!Array.isArray(preference))
    return Promise.reject(
      new ConfigError(`initBackend: the backends must be in a list, got ${kindOf(preference)}; write initBackend(["wasm", "reference"])`),
    );
  // One call after another, so that calls side by side do not each start a backend.
  const call = earlier.then(async () => activate(await Promise.all(preference.map(makerOf)), options));
  earlier = call.catch(() => {});
  return call;
}

async function activate(preference: readonly (BackendMaker | BackendChooser)[], options: BackendOptions): Promise<BackendChoice> {
  checkOptions("initBackend", options, backendOptions);
  const { threads, maximumBytes } = options;
  if (threads !== undefined) checkNumbers("initBackend", { threads }, { integer: true, least: 1 });
  if (maximumBytes !== undefined) checkNumbers("initBackend", { maximumBytes }, { least: 1 });
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
  const passedOver: PassedOver[] = [];
  for (const maker of preference) {
    const { passedOver: more, taken } = await ("choose" in maker ? maker.choose(options) : tryMaker(maker, options));
    passedOver.push(...more);
    if (taken === undefined) continue;
    const { name, backend, report } = taken;
    const { threads, note } = backend;
    const choice: BackendChoice = { name, threads, passedOver, ...(note === undefined ? {} : { note }), ...report };
    before?.backend.dispose?.();
    made = { backend, choice, preference, options: key };
    useBackend(backend);
    return choice;
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
