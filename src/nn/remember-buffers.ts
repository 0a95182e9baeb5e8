/** Undoes what a forward pass in training changes in a network: its running statistics and its counters. */

import { keep } from "../tensor/scope.ts";
import { share } from "../tensor/tensor.ts";
import type { Module } from "./module.ts";
import { Buffer, Counter } from "./state.ts";

/** The values of buffers and counters at one moment. */
export interface Remembered {
  /** Gives the buffers and the counters their values of that moment. */
  restore(): void;
  /** Frees what was remembered. */
  forget(): void;
}

/** The entries of a network's state that a forward pass in training changes. */
export const buffersOf = (network: Module): (Buffer | Counter)[] => [
  ...new Set(
    [...network.state().values()].filter((entry): entry is Buffer | Counter => entry instanceof Buffer || entry instanceof Counter),
  ),
];

/** Remembers the values of `entries`. No number is copied: a buffer that changes gets a new storage, so the old one is only held. */
export function remember(entries: readonly (Buffer | Counter)[]): Remembered {
  const values = entries.map((entry) => (entry instanceof Counter ? entry.count : keep(share(entry.value))));
  return {
    restore: () => {
      for (const [i, entry] of entries.entries()) {
        const value = values[i]!;
        if (entry instanceof Counter) entry.count = value as number;
        else if (typeof value !== "number" && entry.value.storage !== value.storage) entry.value = keep(share(value));
      }
    },
    forget: () => {
      for (const value of values) if (typeof value !== "number") value.dispose();
    },
  };
}
