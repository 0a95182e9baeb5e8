/** What is verified, and what came of it. */

import { kernels } from "../backend/active.ts";
import { formatShape, sameShape } from "../core/shape.ts";
import { isGpuMode } from "../experiment/backend-names.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { NamedArray } from "../train/safetensors.ts";
import { FixtureError } from "./fixture-folder.ts";

export const precisions = ["float64", "float32"] as const;
export type Precision = (typeof precisions)[number];

/** Largest error allowed, relative to the largest magnitude expected in the tensor. */
export const tolerances = { float64: 1e-9, float32: 1e-4 } as const satisfies Record<Precision, number>;

/** Devices compute in float32 alone: what is expected in float64 cannot be held against them. */
export const isComputedHere = (precision: Precision): boolean => precision === "float32" || !isGpuMode(kernels().name);

/** Names of expected tensors end in 64 where they were computed in float64. */
export const suffixes = { float64: "64", float32: "" } as const satisfies Record<Precision, string>;

export interface Deviation {
  readonly tensor: string;
  readonly relativeError: number;
}

export type Worst = Readonly<Partial<Record<Precision, Deviation>>>;

export type Outcome =
  | { readonly status: "passed"; readonly worst: Worst; readonly note?: string }
  | { readonly status: "failed"; readonly worst: Worst; readonly reason: string }
  | { readonly status: "skipped"; readonly reason: string };

export interface Case {
  readonly name: string;
  /** @throws FixtureError when the fixtures are at fault. */
  run(): Promise<Outcome>;
}

/** Largest difference relative to the largest magnitude expected, or to `least`; infinite where sizes differ or a number is NaN. */
export function relativeError(got: ArrayLike<number>, expected: ArrayLike<number>, least: number = Number.MIN_VALUE): number {
  if (got.length !== expected.length) return Infinity;
  let difference = 0;
  for (let i = 0; i < expected.length; i++) {
    // Equal infinities differ by NaN.
    const error = got[i] === expected[i] ? 0 : Math.abs(got[i]! - expected[i]!);
    difference = Number.isNaN(error) ? Infinity : Math.max(difference, error);
  }
  return difference / Math.max(least, largest(expected));
}

/** The largest magnitude, NaN apart. */
export const largest = (values: ArrayLike<number>): number => {
  let most = 0;
  for (let i = 0; i < values.length; i++) if (Math.abs(values[i]!) > most) most = Math.abs(values[i]!);
  return most;
};

/**
 * Rounding errors, in halves of the last place of the largest value around, that sums of thousands of terms may gather. A gradient that vanishes
 * but for them (that of a bias before a batch normalisation, say) has no digit to compare.
 */
const roundings = 64;
const halfPlace = { float64: 2 ** -53, float32: 2 ** -24 } as const satisfies Record<Precision, number>;

/** Holds what was got against what was expected, and remembers the worst. */
export class Comparison {
  readonly #worst: Partial<Record<Precision, Deviation>> = {};
  readonly #faults: string[] = [];

  /**
   * Numbers that rounding may tell apart. `around`: the largest magnitude among the tensors they were summed from, where what is expected may
   * be nothing but what those leave when they cancel.
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
      this.#faults.push(`${tensor} is off by ${error.toExponential(1)} in ${precision}, allowed are ${tolerances[precision]}`);
  }

  /** What must agree exactly. */
  equal(what: string, got: unknown, expected: unknown): void {
    const [ours, theirs] = [JSON.stringify(got), JSON.stringify(expected)];
    if (ours !== theirs) this.#faults.push(`${what} is ${shorten(ours)}, expected ${shorten(theirs)}`);
  }

  fault(what: string): void {
    this.#faults.push(what);
  }

  outcome(note?: string): Outcome {
    const [first, ...more] = this.#faults;
    if (first === undefined) return { status: "passed", worst: this.#worst, ...(note === undefined ? {} : { note }) };
    return { status: "failed", worst: this.#worst, reason: more.length === 0 ? first : `${first}; and ${more.length} more` };
  }
}

const shorten = (text = "absent"): string => (text.length > 60 ? `${text.slice(0, 57)}…` : text);

/** The verdict of `compare`. Whatever it throws is a failure of this case alone, except faults of the fixtures. */
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

/** The numbers of the tensors that `body` returns by name; everything made on the way is freed. */
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
