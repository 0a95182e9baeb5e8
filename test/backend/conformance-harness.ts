/**
 * Runs a kernel on the backend under test and on the float64 reference, and compares. Every trial asks four more things of the kernel:
 * the same inputs give the same bits again, the inputs stay as they were, each result holds what it says, and nothing but the results is
 * left allocated.
 */

import fc from "fast-check";
import { expect, inject } from "vitest";
import { viewOf } from "../../src/backend/host-storage.ts";
import type { Kernels } from "../../src/backend/kernels.ts";
import { createReferenceBackend } from "../../src/backend/reference/reference-kernels.ts";
import type { DType, Storage, TypedArray } from "../../src/tensor/storage.ts";
import { typedArray } from "../../src/tensor/storage.ts";
import type { ValueKind } from "../arbitraries/values.ts";
import { type Precision, precisionOf, smallestNormal, type Tolerance } from "./conformance-tolerance.ts";

/** What a suite tests; `kernels` exists from `beforeAll` on. */
export interface Subject {
  readonly kernels: () => Kernels;
  readonly tolerance: Tolerance;
  /**
   * How many cases of a property to draw where backends usually get `usual`. A software GPU takes milliseconds to hand back a single
   * number, and a thousand times as long as the reference for a large one: it gets fewer cases of every property, but no property is left
   * out.
   */
  readonly runs: (usual: number) => number;
  /** `valuesOf`, of numbers that the backend promises to keep: see `nonFinite`. */
  readonly values: (seed: number, count: number, kind?: ValueKind) => Float64Array;
}

/** The share of the cases that a run of all tests draws. */
const share = inject("testShare");

/** Asserts a property on the subject, with a share of the `usual` cases, or of the number that the subject asks for. */
export const holds = <T>(
  { runs }: Subject,
  property: fc.IAsyncPropertyWithHooks<[...T[]]> | fc.IPropertyWithHooks<[...T[]]>,
  usual = 100,
) => fc.assert(property, { numRuns: Math.ceil(share * runs(usual)) });

/** An operand: of the precision under test, or int32. */
export interface Operand {
  readonly dtype: "floating" | "int32";
  readonly data: ArrayLike<number>;
}

export const floating = (data: ArrayLike<number>): Operand => ({ dtype: "floating", data });
export const int32 = (data: ArrayLike<number>): Operand => ({ dtype: "int32", data });
export const absolute = ({ dtype, data }: Operand): Operand => ({ dtype, data: Float64Array.from(data, Math.abs) });

/** Calls kernels on its inputs and returns their results, leaving none but these allocated. */
export type Run = (k: Kernels, inputs: readonly Storage[], dtype: DType) => readonly Storage[];

export interface Trial {
  readonly inputs: readonly Operand[];
  readonly run: Run;
  /** Inputs the kernel updates in place: they count as results too, before those returned. */
  readonly updates?: readonly number[];
  /** Largest error of each result, element by element; without it every element must be the reference's, rounded, to the sign of zero. */
  readonly bound?: (precision: Precision) => readonly ArrayLike<number>[];
}

const reference = createReferenceBackend();

function upload(k: Kernels, { dtype, data }: Operand, precision: DType): Storage {
  return k.upload(dtype === "floating" ? precision : dtype, data);
}

/** The results of kernels of the float64 reference: the oracle, and the magnitudes that bounds are made of. */
export function onReference(inputs: readonly Operand[], run: Run): TypedArray[] {
  const storages = inputs.map((input) => upload(reference, input, "float64"));
  const results = run(reference, storages, "float64");
  const arrays = results.map((result) => viewOf(result).slice());
  for (const storage of new Set([...storages, ...results])) storage.release();
  return arrays;
}

/**
 * To the bit: −0 differs from 0. But NaN equals NaN: which of its bit patterns an operation gives is left open by WebAssembly and
 * JavaScript, and changes as an engine recompiles. Memory is compared first, as element by element takes long.
 */
const sameBits = (a: TypedArray, b: TypedArray): boolean =>
  a.length === b.length && (sameWords(wordsOf(a), wordsOf(b)) || a.every((value, i) => Object.is(value, b[i])));
/** Every dtype has 4 or 8 bytes. */
const wordsOf = (array: TypedArray): Int32Array => new Int32Array(array.buffer, array.byteOffset, array.byteLength / 4);

function sameWords(a: Int32Array, b: Int32Array): boolean {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return a.length === b.length;
}

/** One run on the backend under test, with what must hold of any run. */
async function execute(k: Kernels, dtype: DType, { inputs, run, updates = [] }: Trial): Promise<TypedArray[]> {
  const held = k.memory();
  const storages = inputs.map((input) => upload(k, input, dtype));
  const returned = run(k, storages, dtype);
  const results: TypedArray[] = [];
  for (const storage of [...updates.map((i) => storages[i]!), ...returned]) {
    const elements = await storage.read();
    expect(elements, "a storage's array type follows its dtype").toBeInstanceOf(typedArray(storage.dtype, 0).constructor);
    expect(elements.length, "a storage's length is that of its elements").toBe(storage.length);
    results.push(elements);
  }
  for (const [i, storage] of storages.entries())
    if (!updates.includes(i)) {
      const before = typedArray(storage.dtype, inputs[i]!.data);
      expect(sameBits(await storage.read(), before), `input ${i} is left as it was`).toBe(true);
    }
  for (const storage of new Set([...storages, ...returned])) storage.release();
  expect(k.memory().storages, "nothing but the results is left allocated").toBe(held.storages);
  expect(k.memory().used, "every byte is given back").toBe(held.used);
  return results;
}

/**
 * Whether `actual` is `expected` rounded to the dtype, or at most `bound` away from it. A bound makes the largest number and ∞ neighbours.
 */
export function agrees(actual: number, expected: number, bound: number | undefined, { dtype }: Precision, tolerance: Tolerance): boolean {
  const rounded = dtype === "float32" ? Math.fround(expected) : expected;
  if (Object.is(actual, rounded)) return true;
  if (!tolerance.nonFinite && !Number.isFinite(rounded)) return true;
  if (tolerance.zeroSigns === "ignored" && actual === rounded) return true;
  if (tolerance.subnormals === "flushed" && alikeWhenFlushed(actual, expected)) return true;
  if (bound === undefined || Number.isNaN(actual) || Number.isNaN(expected)) return false;
  if (actual === rounded) return true;
  // An infinite magnitude bounds nothing: the result must be the same ∞.
  if (!Number.isFinite(bound)) return false;
  const beyond = dtype === "float32" ? 2 ** 128 : Number.MAX_VALUE;
  const clamp = (x: number): number => Math.min(Math.max(x, -beyond), beyond);
  return Math.abs(clamp(actual) - clamp(expected)) <= bound;
}

/** Both below the normal numbers, and not both 0: the sign of a zero counts unless it is what is left of a smaller number. */
const alikeWhenFlushed = (a: number, b: number): boolean =>
  Math.abs(a) < smallestNormal && Math.abs(b) < smallestNormal && (a !== 0 || b !== 0);

/** `alternatives` are the results the reference may have; each element must agree with that of one of them. */
export function expectAgreement(
  actual: TypedArray,
  alternatives: readonly ArrayLike<number>[],
  bound: ArrayLike<number> | undefined,
  precision: Precision,
  tolerance: Tolerance,
): void {
  for (const expected of alternatives) expect(actual.length).toBe(expected.length);
  for (let i = 0; i < actual.length; i++)
    if (!alternatives.some((expected) => agrees(actual[i]!, expected[i]!, bound?.[i], precision, tolerance)))
      expect.fail(
        `${precision.dtype}, element ${i} of ${actual.length}: got ${actual[i]}, the reference has ${alternatives.map((expected) => expected[i]).join(" or ")}, allowed error ${bound?.[i] ?? 0}`,
      );
}

const isSubnormal = (x: number): boolean => x !== 0 && Math.abs(x) < smallestNormal;
const flush = (x: number): number => (isSubnormal(x) ? Math.sign(x) * 0 : x);

/** The inputs as they are, and where subnormal numbers may be taken for 0 also with those of some operands taken so. */
function readings(inputs: readonly Operand[], { subnormals }: Tolerance): (readonly Operand[])[] {
  if (subnormals === "kept") return [inputs];
  return inputs.reduce<(readonly Operand[])[]>(
    (before, input) => {
      const data = Array.from(input.data);
      const ways = data.some(isSubnormal) ? [input, { ...input, data: data.map(flush) }] : [input];
      return before.flatMap((list) => ways.map((way) => [...list, way]));
    },
    [[]],
  );
}

/** In each precision: runs twice, and holds both runs against each other and the first against the float64 reference. */
export async function conforms({ kernels, tolerance }: Subject, trial: Trial): Promise<void> {
  const alternatives = readings(trial.inputs, tolerance).map((read) =>
    onReference(read, (k, inputs, dtype) => {
      const returned = trial.run(k, inputs, dtype);
      return [...(trial.updates ?? []).map((i) => inputs[i]!), ...returned];
    }),
  );
  for (const dtype of tolerance.dtypes) {
    const precision = precisionOf(dtype, tolerance);
    const results = await execute(kernels(), dtype, trial);
    const again = await execute(kernels(), dtype, trial);
    const bounds = trial.bound?.(precision);
    expect(results.length).toBe(alternatives[0]!.length);
    for (const [i, result] of results.entries()) {
      expectAgreement(
        result,
        alternatives.map((expected) => expected[i]!),
        bounds?.[i],
        precision,
        tolerance,
      );
      expect(sameBits(again[i]!, result), "the same inputs give the same bits").toBe(true);
    }
  }
}
