/** What `npm run bench:torch -- --json FILE` writes. */

import type { Machine } from "../../../src/bench/machine.ts";
import type { RaceResult } from "./race.ts";

export interface TorchRow extends RaceResult {
  readonly name: string;
  readonly threads: number;
}

/** What the Python process tells of itself. */
export interface TorchFacts {
  readonly torch: string;
  readonly python: string;
  readonly oneDNN: boolean;
  /** The instruction set that PyTorch's own kernels use. */
  readonly capability: string;
}

/** What the process of this library tells of itself. */
export type OwnFacts = Machine & { readonly version: string };

export interface TorchDocument {
  readonly date: string;
  /** `instructions` are the vector instructions of the processor. */
  readonly machine: OwnFacts & { readonly instructions: readonly string[] };
  readonly torch: TorchFacts;
  readonly rounds: number;
  readonly rows: readonly TorchRow[];
}
