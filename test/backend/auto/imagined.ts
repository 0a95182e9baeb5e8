/** Candidates of `"auto"` that are made up: adapters and clocks as a test wants them. All of them compute as the reference does. */

import type { AutoCandidates } from "../../../src/backend/auto/auto.ts";
import type { AutoDevice } from "../../../src/backend/auto/devices.ts";
import type { AdapterReport } from "../../../src/backend/gpu/adapter.ts";
import type { Kernels } from "../../../src/backend/kernels.ts";
import { createReferenceBackend } from "../../../src/backend/reference/reference-kernels.ts";
import { BackendError } from "../../../src/core/errors.ts";

/** What a device answers: its kind of adapter, an error, or nothing. */
export type Answer = "hardware" | "software" | Error | undefined;
/** Milliseconds, or the error of the calibration. */
export type Time = number | Error;

const adapterOf = (kind: "hardware" | "software"): AdapterReport =>
  kind === "hardware"
    ? { name: "Radeon X", software: false, maximumBytes: 2 ** 31 }
    : { name: "SwiftShader", software: true, maximumBytes: 2 ** 30 };

/** Backends that were given out and not disposed of since. */
export class Ledger {
  readonly open = new Set<string>();
  /** How many backends were made. */
  made = 0;

  backend(name: string, more: object = {}): Kernels {
    this.open.add(name);
    this.made++;
    return { ...createReferenceBackend(), name, threads: 1, dispose: () => this.open.delete(name), ...more } as Kernels;
  }

  device(name: string, answer: Answer): AutoDevice {
    return {
      name,
      open: async (accept) => {
        if (answer === undefined) throw new BackendError(`${name}: an adapter must answer, none did; try another`);
        if (answer instanceof Error) throw answer;
        accept(adapterOf(answer));
        return this.backend(name, { adapter: adapterOf(answer) }) as Kernels & { adapter: AdapterReport };
      },
    };
  }
}

/** A clock that gives a backend of each name its time. */
export const clock =
  (times: Readonly<Record<string, Time>>): NonNullable<AutoCandidates["time"]> =>
  async ({ name }) => {
    const time = times[name]!;
    if (time instanceof Error) throw time;
    return time;
  };
