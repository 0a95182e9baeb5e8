/** Tensors as text. The oracle is NumPy 1.24, whose output test/fixtures/printed/generate.py has recorded. */

import { readFileSync } from "node:fs";
import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { tensor, zeros } from "../../src/ops/creation.ts";
import { formatTensor, formatValues } from "../../src/tensor/format-tensor.ts";
import type { DType } from "../../src/tensor/storage.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";

onReferenceBackend();

interface Printed {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Numbers; what JSON cannot hold is written as text. */
  readonly values: readonly (number | string)[] | "arange";
  readonly text: string;
}

const printed = JSON.parse(readFileSync(new URL("../fixtures/printed/printed.json", import.meta.url), "utf8")) as Printed[];

const spelled: Readonly<Record<string, number>> = { nan: Number.NaN, inf: Infinity, "-inf": -Infinity, "-0": -0 };
const valuesOf = ({ values, shape }: Printed): number[] =>
  values === "arange"
    ? Array.from({ length: shape.reduce((product, size) => product * size, 1) }, (_, i) => i)
    : values.map((value) => (typeof value === "string" ? spelled[value]! : value));

describe("values have the layout of NumPy", () => {
  test.each(printed)("$name", (entry) => expect(formatValues(entry.shape, valuesOf(entry), entry.dtype)).toBe(entry.text));
});

test("String, template strings and console.log show the dtype, the shape and the values", () => {
  const t = tensor([
    [1, 2.5],
    [-3, 4],
  ]);
  const text = "Tensor float32 [2,2]\n[[ 1.   2.5]\n [-3.   4. ]]";
  expect(String(t)).toBe(text);
  expect(`${t}`).toBe(text);
  expect(inspect(t)).toBe(text);
});

test("a disposed tensor says so, and a tensor on a device says how to read it", () => {
  const t = zeros([2, 3]);
  t.dispose();
  expect(String(t)).toBe("Tensor float32 [2,3], disposed");
  expect(formatTensor([2], "float32", "on a device")).toBe("Tensor float32 [2], on a device");
});

test("toArray nests the values as the axes are", async () => {
  expect(
    await tensor([
      [1, 2, 3],
      [4, 5, 6],
    ]).toArray(),
  ).toEqual([
    [1, 2, 3],
    [4, 5, 6],
  ]);
  expect(await tensor(7).toArray()).toBe(7);
  expect(await zeros([2, 0]).toArray()).toEqual([[], []]);
});
