/** Files that NumPy wrote, and their content as NumPy reports it (test/fixtures/numpy/generate.py). */

import { readFileSync } from "node:fs";

interface Expected {
  readonly shape: readonly number[];
  /** In row-major order. NaN and infinities are strings. */
  readonly values: readonly (number | string)[];
}

const file = (name: string): URL => new URL(`../fixtures/numpy/${name}`, import.meta.url);

export const fixture = (name: string): Uint8Array => new Uint8Array(readFileSync(file(name)));

const { holds, refused } = JSON.parse(readFileSync(file("expected.json"), "utf8")) as {
  holds: Record<string, Expected | Record<string, Expected>>;
  refused: readonly string[];
};

export const refusedFiles = refused;
export const npyFiles = Object.entries(holds).filter((entry): entry is [string, Expected] => entry[0].endsWith(".npy"));
export const npzFiles = Object.entries(holds).filter((entry): entry is [string, Record<string, Expected>] => entry[0].endsWith(".npz"));

export const valuesIn = ({ values }: Expected): number[] => values.map(Number);
