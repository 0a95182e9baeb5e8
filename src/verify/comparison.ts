/** Compares computed numbers with expected ones, and turns the differences into the outcome of a case. */

import { kernels } from "../backend/active.ts";
import { formatShape, sameShape } from "../core/shape.ts";
import { isGpuMode } from "../experiment/backend-names.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { NamedArray } from "../train/safetensors.ts";
import { FixtureError } from "./fixture-folder.ts";

export const precisions = ["float64", "float32"] as const;
export type Precision = (typeof precisions)[number];

/** The largest error allowed, relative to the largest magnitude in the expected tensor. */
export const tolerances = { float64: 1e-9, float32: 1e-4 } as const satisfies Record<Precision, number>;

/** Whether the active backend computes in this precision. Devices compute in float32 only. */
export const isComputedHere = (precision: Precision): boolean => precision === "float32" || !isGpuMode(kernels().name);

/** The ends of the names of expected tensors, by the precision in which they were computed. */
export const suffixes = { float64: "64", float32: "" } as const satisfies Record<Precision, string>;

/** The largest relative error of a tensor. */
export interface Deviation {
  readonly tensor: string;
  readonly relativeError: number;
}

/** The worst tensor of each precision. */
export type Worst = Readonly<Partial<Record<Precision, Deviation>>>;

export type Outcome =
  | { readonly status: "passed"; readonly worst: Worst; readonly note?: string }
  | { readonly status: "failed"; readonly worst: Worst; readonly reason: string }
  | { readonly status: "skipped"; readonly reason: string };

export interface Case {
  readonly name: string;
  /** @throws FixtureError when the fixtures are malformed. */
  run(): Promise<Outcome>;
}

/**
 * The largest difference, relative to the largest expected magnitude or to `least`, whichever is larger. It is infinite when the sizes
 * differ or a number is NaN.
 */
export function relativeError(got: ArrayLike<number>, expected: ArrayLike<number>, least: number = Number.MIN_VALUE): number {
  if (got.length !== expected.length) return Infinity;
  let difference = 0;
  for (let i = 0; i < expected.length; i++) {
    // ∞ − ∞ is NaN, so equal numbers are not subtracted.
    const error = got[i] === expected[i] ? 0 : Math.abs(got[i]! - expected[i]!);
    difference = Number.isNaN(error) ? Infinity : Math.max(difference, error);
  }
  return difference / Math.max(least, largestMagnitude(expected));
}

/** The largest magnitude. NaN is ignored. */
export const largestMagnitude = (values: ArrayLike<number>): number => {
  let most = 0;
  for (let i = 0; i < values.length; i++) if (Math.abs(values[i]!) > most) most = Math.abs(values[i]!);
  return most;
};

/**
 * How many rounding errors, each half a unit in the last place, a sum of thousands of terms may accumulate. A gradient that is zero except
 * for rounding, such as that of a bias before a batch norm, has no correct digit to compare.
 */
const roundings = 64;
const halfPlace = { float64: 2 ** -53, float32: 2 ** -24 } as const satisfies Record<Precision, number>;

/** Compares tensors, and remembers the worst error and all faults. */
export class Comparison {
  readonly #worst: Partial<Record<Precision, Deviation>> = {};
  readonly #faults: string[] = [];

  /**
   * Compares numbers that may differ by rounding.
   *
   * @param around the largest magnitude among the terms of the sums that gave these numbers. It sets the rounding error that is allowed
   * where the terms cancel. Default: 0, which allows none beyond the tolerance.
   */
  near(precision: Precision, tensor: string, got: NamedArray, expected: NamedArray, around = 0): void {
    if (!sameShape(got.shape, expected.shape)) {
      this.#faults.push(`${tensor} is ${formatShape(got.shape)}, expected ${formatShape(expected.shape)}`);
      return;
    }
    const least = (roundings * halfPlace[precision] * around) / tolerances[precision];
    const error = relativeError(got.data, expected.data, Math.max(least, Number.MIN_VALUE));
    if (!(error <= (this.#worst[precision]?.relativeError ?? -1))) this.#worst[precision] = { tensor, relativeError: error };
    if (!(error <= tolerances[precision]))
      this.#faults.push(`${tensor} is off by ${error.toExponential(1)} in ${precision}, the tolerance is ${tolerances[precision]}`);
  }

  /** Compares values that must be equal. */
  equal(what: string, got: unknown, expected: unknown): void {
    const [ours, theirs] = [JSON.stringify(got), JSON.stringify(expected)];
    if (ours !== theirs) this.#faults.push(`${what} is ${shorten(ours)}, expected ${shorten(theirs)}`);
  }

  /** Adds a fault that no comparison found. */
  fault(what: string): void {
    this.#faults.push(what);
  }

  /** The outcome of all comparisons so far. */
  outcome(note?: string): Outcome {
    const [first, ...more] = this.#faults;
    if (first === undefined) return { status: "passed", worst: this.#worst, ...(note === undefined ? {} : { note }) };
    return { status: "failed", worst: this.#worst, reason: more.length === 0 ? first : `${first}; and ${more.length} more` };
  }
}

const shorten = (text = "absent"): string => (text.length > 60 ? `${text.slice(0, 57)}…` : text);

/**
 * Runs `compare` and returns the outcome. An error that it throws fails the case, except for a FixtureError, which ends the whole program.
 */
export async function verdict(compare: (comparison: Comparison) => Promise<string | undefined> | string | undefined): Promise<Outcome> {
  const comparison = new Comparison();
  try {
    return comparison.outcome(await compare(comparison));
  } catch (error) {
    if (error instanceof FixtureError) throw error;
    comparison.fault(error instanceof Error ? `${error.name}: ${error.message}` : String(error));
    return comparison.outcome();
  }
}

/** Reads the tensors that `body` returns, by name. All tensors that `body` makes are freed. */
export async function evaluated(body: () => ReadonlyMap<string, Tensor>): Promise<Map<string, NamedArray>> {
  const tensors = scope(body);
  try {
    const read = new Map<string, NamedArray>();
    for (const [name, tensor] of tensors) read.set(name, { shape: tensor.shape, data: await tensor.data() });
    return read;
  } finally {
    for (const tensor of tensors.values()) tensor.dispose();
  }
}
