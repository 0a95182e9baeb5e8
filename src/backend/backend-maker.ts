/** How `initBackend` makes a backend, and what it reports of its choice. */

import { ConfigError } from "../core/errors.ts";
import type { BackendOptions } from "./backend-options.ts";
import type { Kernels } from "./kernels.ts";

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

/** A backend that was not taken, and why. */
export interface PassedOver {
  readonly name: string;
  readonly reason: string;
}

/** The median time of a round of the calibration on a backend. */
export interface CalibrationFigure {
  readonly name: string;
  readonly milliseconds: number;
}

/** Why `"auto"` took its backend. */
export interface AutoReport {
  /** In words, with the figures of the calibration. */
  readonly reason: string;
  /** The figures that were compared. They are absent where only one backend could run, because nothing was timed then. */
  readonly calibration?: readonly CalibrationFigure[];
}

/** Which backend was chosen, and why the other backends of the list were not. */
export interface BackendChoice extends Partial<AutoReport> {
  readonly name: string;
  readonly threads: number;
  readonly passedOver: readonly PassedOver[];
  /** What the backend says about how it runs here, such as why it has one thread. */
  readonly note?: string;
}

/** A backend that runs here, and the name it reports. */
export interface Candidate<Backend extends Kernels = Kernels> {
  readonly name: string;
  readonly backend: Backend;
}

/** The backends that do not run, and one that does, if there is one. */
export interface Chosen<Backend extends Kernels = Kernels> {
  readonly passedOver: readonly PassedOver[];
  readonly taken?: Candidate<Backend> & { readonly report?: AutoReport };
}

/** How `initBackend` chooses among several backends: `"auto"` is one. */
export interface BackendChooser {
  readonly name: string;
  /** As for `BackendMaker`. */
  readonly request?: string;
  /** @throws ConfigError for options out of range. */
  choose(options: BackendOptions): Promise<Chosen>;
}

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Makes a backend if it can run here. @throws ConfigError for options out of range. */
export async function tryMaker({ name, create }: BackendMaker, options: BackendOptions): Promise<Chosen> {
  try {
    return { passedOver: [], taken: { name, backend: await create(options) } };
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    return { passedOver: [{ name, reason: messageOf(error) }] };
  }
}
