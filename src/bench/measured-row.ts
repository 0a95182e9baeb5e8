/** What all rows of results say: what was measured, on which backend, how long it took, and how much memory it took. */

import { kernels, memory } from "../backend/active.ts";
import type { Timing } from "./measure.ts";

export interface MeasuredRow {
  readonly name: string;
  readonly backend: string;
  readonly threads: number;
  /** The median time of a repetition, in milliseconds. */
  readonly ms: number;
  readonly minMs: number;
  readonly maxMs: number;
  readonly repeats: number;
  /** The most bytes that the backend held at once, operands included. */
  readonly peakBytes: number;
}

/** Rounds to five digits, since the noise of a timing is larger than the sixth. */
export const rounded = (value: number): number => Number(value.toPrecision(5));

/** The row of what was measured on the active backend. */
export const measuredRow = (name: string, { medianMs, minMs, maxMs, repeats }: Timing): MeasuredRow => ({
  name,
  backend: kernels().name,
  threads: kernels().threads,
  ms: rounded(medianMs),
  minMs: rounded(minMs),
  maxMs: rounded(maxMs),
  repeats,
  peakBytes: memory().peak,
});
