/** The rules by which `"auto"` decides. They are functions of figures, so that tests can state the right answer for each. */

import type { AdapterReport } from "../gpu/adapter.ts";

/** A candidate with the time of its round in milliseconds, or with the reason why it has none. */
export interface Timed {
  /** The name that users read: that of the adapter, or `wasm`. */
  readonly name: string;
  readonly time: number | string;
}

export interface Decision {
  readonly winner: "device" | "wasm";
  /** Why the winner was taken. */
  readonly reason: string;
  /** Why the other was not. */
  readonly loss: string;
}

/** Why an adapter is no candidate; undefined for hardware. A software adapter computes on the processor, where `wasm` is faster. */
export const refusalOf = ({ name, software }: Pick<AdapterReport, "name" | "software">): string | undefined =>
  software ? `only a software adapter, ${name}` : undefined;

/** Whether one round shows that a candidate cannot win against `best`. Noise does not explain a factor of more than three. */
export const isHopeless = (milliseconds: number, best: number): boolean => milliseconds > 3 * best;

const inWords = (milliseconds: number): string => `${milliseconds.toFixed(milliseconds < 10 ? 1 : 0)} ms`;

const losing = (time: number | string): string =>
  typeof time === "string" ? `failed in the calibration: ${time}` : `${inWords(time)} in the calibration`;

/** The faster of a hardware device and wasm. Where the times are equal or both fail, wasm wins. */
export function decide(device: Timed, wasm: Timed): Decision {
  const times = {
    device: typeof device.time === "number" ? device.time : Infinity,
    wasm: typeof wasm.time === "number" ? wasm.time : Infinity,
  };
  const deviceWins = times.device < times.wasm;
  const [winner, loser] = deviceWins ? [device, wasm] : [wasm, device];
  const figures =
    typeof loser.time === "string" || typeof winner.time === "string"
      ? `${loser.name} ${losing(loser.time)}`
      : `${losing(winner.time)}, ${loser.name} ${inWords(loser.time)}`;
  return { winner: deviceWins ? "device" : "wasm", reason: figures, loss: losing(loser.time) };
}
