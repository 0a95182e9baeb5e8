/**
 * Runs a kernel on the backend under test and on the float64 reference, and compares. Every trial asks four more things of the kernel:
 * the same inputs give the same bits again, the inputs stay as they were, each result holds what it says, and nothing but the results is left allocated.
 */

import { expect } from "vitest";
import { viewOf } from "../../src/backend/host-storage.ts";
import type { Kernels } from "../../src/backend/kernels.ts";
import { createReferenceBackend } from "../../src/backend/reference/reference-kernels.ts";
import type { DType, Storage, TypedArray } from "../../src/tensor/storage.ts";
import { typedArray } from "../../src/tensor/storage.ts";
import { type Precision, precisions, type Tolerance } from "./conformance-tolerance.ts";

/** What a suite tests; `kernels` exists from `beforeAll` on. */
export interface Subject {
  readonly kernels: () => Kernels;
  readonly tolerance: Tolerance;
}

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
 * To the bit: −0 differs from 0. But NaN equals NaN: which of its bit patterns an operation gives is left open by WebAssembly and JavaScript, and
 * changes as an engine recompiles. Memory is compared first, as element by element takes long.
 */
const sameBits = (a: TypedArray, b: TypedArray): boolean =>
  bufferOf(a).equals(bufferOf(b)) || (a.length === b.length && a.every((value, i) => Object.is(value, b[i])));
const bufferOf = (array: TypedArray): Buffer => Buffer.from(array.buffer, array.byteOffset, array.byteLength);

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

/** Whether `actual` is `expected` rounded to the dtype, or at most `bound` away from it. A bound makes the largest number and ∞ neighbours. */
export function agrees(actual: number, expected: number, bound: number | undefined, { dtype }: Precision): boolean {
  const rounded = dtype === "float32" ? Math.fround(expected) : expected;
  if (Object.is(actual, rounded)) return true;
  if (bound === undefined || Number.isNaN(actual) || Number.isNaN(expected)) return false;
  if (actual === rounded) return true;
  // An infinite magnitude bounds nothing: the result must be the same ∞.
  if (!Number.isFinite(bound)) return false;
  const beyond = dtype === "float32" ? 2 ** 128 : Number.MAX_VALUE;
  const clamp = (x: number): number => Math.min(Math.max(x, -beyond), beyond);
  return Math.abs(clamp(actual) - clamp(expected)) <= bound;
}

export function expectAgreement(
  actual: TypedArray,
  expected: ArrayLike<number>,
  bound: ArrayLike<number> | undefined,
  precision: Precision,
): void {
  expect(actual.length).toBe(expected.length);
  for (let i = 0; i < actual.length; i++)
    if (!agrees(actual[i]!, expected[i]!, bound?.[i], precision))
      expect.fail(
        `${precision.dtype}, element ${i} of ${actual.length}: got ${actual[i]}, the reference has ${expected[i]}, allowed error ${bound?.[i] ?? 0}`,
      );
}

/** In each precision: runs twice, and holds both runs against each other and the first against the float64 reference. */
export async function conforms({ kernels, tolerance }: Subject, trial: Trial): Promise<void> {
  const expected = onReference(trial.inputs, (k, inputs, dtype) => {
    const returned = trial.run(k, inputs, dtype);
    return [...(trial.updates ?? []).map((i) => inputs[i]!), ...returned];
  });
  for (const dtype of tolerance.dtypes) {
    const precision = precisions[dtype];
    const results = await execute(kernels(), dtype, trial);
    const again = await execute(kernels(), dtype, trial);
    const bounds = trial.bound?.(precision);
    expect(results.length).toBe(expected.length);
    for (const [i, result] of results.entries()) {
      expectAgreement(result, expected[i]!, bounds?.[i], precision);
      expect(sameBits(again[i]!, result), "the same inputs give the same bits").toBe(true);
    }
  }
}
