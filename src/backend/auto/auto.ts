/**
 * The choice of `"auto"`: a hardware device that passes its self-test and is faster than wasm, or else wasm. Where neither runs, the choice
 * is reference. The reason is reported with the choice.
 */

import { BackendError } from "../../core/errors.ts";
import {
  type BackendChooser,
  type BackendMaker,
  type CalibrationFigure,
  type Candidate,
  type Chosen,
  messageOf,
  tryMaker,
} from "../backend-maker.ts";
import type { BackendOptions } from "../backend-options.ts";
import type { Kernels } from "../kernels.ts";
import { timeRound } from "./calibration.ts";
import { decide, refusalOf } from "./decide.ts";
import type { AutoDevice } from "./devices.ts";

/** What `auto` chooses from. */
export interface AutoCandidates {
  /** In order of preference. The first one with a hardware adapter is compared with wasm. */
  readonly devices: readonly AutoDevice[];
  /** Why `devices` has no more. Default: there is nothing to say. */
  readonly noDevices?: string;
  readonly wasm: BackendMaker;
  /** The backend where neither a device nor wasm runs. Default: none. */
  readonly last?: BackendMaker;
  /** The time of a round of the calibration in milliseconds. Default: `timeRound`. */
  readonly time?: (backend: Kernels, options: { readonly best?: number }) => Promise<number>;
}

type DeviceBackend = Awaited<ReturnType<AutoDevice["open"]>>;

/** What went wrong, without the advice at the end of the message. The user did not ask for a device and needs no advice on it. */
const withoutAdvice = (message: string): string => message.split(/[;\n]/, 1)[0]!;

/** Chooses among `candidates`. Two choosers with devices of the same names give the same backend. */
export const auto = (candidates: AutoCandidates): BackendChooser => ({
  name: "auto",
  request: candidates.devices.map(({ name }) => name).join(),
  choose: (options) => choose(candidates, options),
});

async function choose(candidates: AutoCandidates, options: BackendOptions): Promise<Chosen> {
  // wasm starts first, because options out of range end the choice, and no device must be open then.
  const wasm = await tryMaker(candidates.wasm, options);
  const device = await firstDevice(candidates);
  if (device.taken !== undefined && wasm.taken !== undefined) {
    const compared = await compare(device.taken, wasm.taken, candidates.time ?? timeRound);
    return { ...compared, passedOver: [...device.passedOver, ...compared.passedOver] };
  }
  const reasons = [
    ...wasm.passedOver.map(({ name, reason }) => `${name} cannot run here: ${withoutAdvice(reason)}`),
    ...(device.taken === undefined ? [`no GPU: ${device.passedOver.map(({ reason }) => withoutAdvice(reason)).join(", ")}`] : []),
  ];
  const found = device.taken ?? wasm.taken;
  const last: Chosen = found === undefined && candidates.last !== undefined ? await tryMaker(candidates.last, options) : { passedOver: [] };
  const taken = found ?? last.taken;
  const passedOver = [...device.passedOver, ...wasm.passedOver, ...last.passedOver];
  return { passedOver, ...(taken === undefined ? {} : { taken: { ...taken, report: { reason: reasons.join(", ") } } }) };
}

/** The first device with a hardware adapter that passes its self-test. */
async function firstDevice({ devices, noDevices }: AutoCandidates): Promise<Chosen<DeviceBackend>> {
  const passedOver = noDevices === undefined ? [] : [{ name: "gpu", reason: noDevices }];
  for (const { name, open } of devices)
    try {
      const backend = await open((adapter) => {
        const refusal = refusalOf(adapter);
        if (refusal !== undefined) throw new BackendError(refusal);
      });
      return { taken: { name, backend }, passedOver };
    } catch (error) {
      // Any error is a reason against the device. A broken driver must not stop the program.
      passedOver.push({ name, reason: messageOf(error) });
    }
  return { passedOver };
}

/** Times both candidates, takes one and disposes of the other. */
async function compare(device: Candidate<DeviceBackend>, wasm: Candidate, time: NonNullable<AutoCandidates["time"]>): Promise<Chosen> {
  const timeOf = ({ backend }: Candidate, best?: number): Promise<number | string> =>
    time(backend, best === undefined ? {} : { best }).catch((error: unknown) => withoutAdvice(messageOf(error)));
  const wasmTime = await timeOf(wasm);
  const deviceTime = await timeOf(device, typeof wasmTime === "number" ? wasmTime : undefined);
  const { winner, reason, loss } = decide({ name: device.backend.adapter.name, time: deviceTime }, { name: wasm.name, time: wasmTime });
  const [taken, loser] = winner === "device" ? [device, wasm] : [wasm, device];
  loser.backend.dispose?.();
  taken.backend.resetPeak();
  const calibration = [figure(device.name, deviceTime), figure(wasm.name, wasmTime)].flat();
  return { passedOver: [{ name: loser.name, reason: loss }], taken: { ...taken, report: { reason, calibration } } };
}

const figure = (name: string, time: number | string): CalibrationFigure[] =>
  typeof time === "number" ? [{ name, milliseconds: time }] : [];
